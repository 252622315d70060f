/** The description of `/upload`. */
import { type DoorDescription } from '../description/operation.js';
import { CONTENT_ENCODING, RECORD_NAMES } from '../publish/publish-description.js';

const ENTRY = [
  '__CURSOR=s=7af1;i=1;t=660da8a536a40',
  '__REALTIME_TIMESTAMP=1795341600123456',
  '_HOSTNAME=web-1',
  '_SYSTEMD_UNIT=shop.service',
  'MESSAGE=started',
];

/** The door of journals. */
export const JOURNAL_DOOR: DoorDescription = {
  name: 'Journals',
  description: 'The journals of machines, from `systemd-journal-upload`.',
  schemas: {},
  operations: [
    {
      id: 'uploadJournal',
      method: 'post',
      path: '/upload',
      summary: 'Upload a journal',
      description:
        'Entries are published while they arrive, and the answer comes at the end. The cursor of an entry is its id.',
      scope: 'publish',
      parameters: [CONTENT_ENCODING, ...RECORD_NAMES],
      body: {
        description: 'The entries.',
        isRequired: true,
        contents: {
          'application/vnd.fdo.journal': {
            schema: { type: 'string', description: 'The Journal Export Format.', 'x-opaque': true },
            examples: { entry: { summary: 'One entry', value: `${ENTRY.join('\n')}\n\n` } },
          },
        },
      },
      answers: {
        202: {
          description: 'The brokers have every entry.',
          contents: {
            'text/plain': {
              schema: { const: 'OK.\n' },
              examples: { ok: { summary: 'All of them are there', value: 'OK.\n' } },
            },
          },
        },
      },
      problems: ['invalid-parameter', 'invalid-records', 'invalid-events', 'not-published'],
    },
  ],
};
