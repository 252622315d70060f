/** The inner door to what asks the brokers about a stream. It loads neither Nest nor Postgres. */
export { hasMajority, JetStreamWitness } from './jetstream-witness.js';
