/**
 * A gateway whose message ids have no digest of the payload. It takes a repeat with another payload for a duplicate, as
 * every gateway would without digests. The benchmark measures with it what they cost.
 */
import 'reflect-metadata';
import { runGateway } from '../src/bootstrap.js';

await runGateway({ hasDigests: false });
