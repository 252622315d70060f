/** The options of `sekali up`, after commander has checked them. All ports are on 127.0.0.1. */
export interface UpOptions {
  /** Free ports, and a temporary directory that is removed at the end. */
  readonly ephemeral: boolean;
  /** Port of the first gateway; further ones take the next. */
  readonly port: number;
  /** Client port of the first broker; further ones take the next. */
  readonly natsPort: number;
  readonly postgresPort: number;
  /** The folder of the data. */
  readonly data: string;
  /** The number of brokers: 1, 3 or 5. */
  readonly nodes: number;
  readonly workers: number;
  readonly gateways: number;
  /** Whether the example service of accounts runs as well. */
  readonly accounts?: boolean;
  /** How often the brokers call fsync; their own default when left out. */
  readonly syncInterval?: string;
  /** Only JSON on standard output, one object per line. */
  readonly json: boolean;
}
