/** What the user asked `sekali up` for, once commander has checked it. */

/** The options of `sekali up`; all ports are on 127.0.0.1. */
export interface UpOptions {
  /** Free ports, and a temporary directory that is removed at the end. */
  readonly ephemeral: boolean;
  /** Of the first gateway; further ones take the next. */
  readonly port: number;
  /** Client port of the first broker; further ones take the next. */
  readonly natsPort: number;
  readonly postgresPort: number;
  /** Where the data is kept. */
  readonly data: string;
  /** Brokers: 1, 3 or 5. */
  readonly nodes: number;
  readonly workers: number;
  readonly gateways: number;
  /** How often the brokers call fsync; their own default when left out. */
  readonly syncInterval?: string;
  /** Only JSON on standard output, one object per line. */
  readonly json: boolean;
}
