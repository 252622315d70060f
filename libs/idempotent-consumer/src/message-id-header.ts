/** The header by which JetStream recognises a repeated publish. Publishers set it, and the default decoder reads it. */
export const MESSAGE_ID_HEADER = 'Nats-Msg-Id';
