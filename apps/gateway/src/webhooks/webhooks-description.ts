/** The description of `/webhooks/{topic}`. */
import { schemaNamed, type DoorDescription, type Parameter } from '../description/operation.js';
import { PUBLISH_ANSWER } from '../publish/publish-description.js';

const SIGNATURES: Readonly<Record<string, string>> = {
  'X-Hub-Signature-256': 'The signature of GitHub.',
  'Stripe-Signature': 'The time and the signature of Stripe.',
  'X-Shopify-Hmac-SHA256': 'The signature of Shopify.',
  'webhook-signature': 'The signature of Standard Webhooks. `svix-signature` is taken, too.',
};

function signature([name, description]: readonly [name: string, description: string]): Parameter {
  return { name, in: 'header', description, schema: { type: 'string', 'x-opaque': true } };
}

/** The door of webhooks. */
export const WEBHOOKS_DOOR: DoorDescription = {
  name: 'Webhooks',
  description: 'Deliveries that their provider signs.',
  schemas: {},
  operations: [
    {
      id: 'receiveWebhook',
      method: 'post',
      path: '/webhooks/{topic}',
      summary: 'Take a signed delivery',
      description:
        'The signature is the proof, so no key is needed. `sekali webhooks create` makes a secret for one topic.\n\n' +
        'Which header has the signature depends on the provider. A secret of the kind `hmac` names its own. ' +
        'The signature is over the bytes of the body, so the body is not compressed.',
      scope: 'none',
      isSigned: true,
      parameters: [
        {
          name: 'topic',
          in: 'path',
          required: true,
          description: 'The topic of the secret.',
          schema: schemaNamed('Topic'),
          example: 'github',
        },
        ...Object.entries(SIGNATURES).map(signature),
      ],
      body: {
        description: 'What the provider sends. JSON keeps its characters.',
        isRequired: false,
        contents: {
          '*/*': { schema: { type: 'string', description: 'JSON, a form, a text, or bytes.' } },
        },
      },
      answers: {
        202: { description: 'The brokers have the event of the delivery.', contents: PUBLISH_ANSWER },
      },
      problems: ['no-signature', 'invalid-events', 'not-published', 'unavailable'],
    },
  ],
};
