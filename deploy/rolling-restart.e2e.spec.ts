/** What deploy/rolling-restart.sh asks of Docker, in which order. A run against Docker itself: compose.e2e.spec.ts. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRepositoryRoot } from '#local-cluster';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-rolling-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the script with a `docker` that notes what it is asked. @returns what it was asked about the workers */
function run(running: number, stopped: number): string[] {
  const asked = join(folder, 'asked');
  const listed = (count: number): string => `seq ${count}`;
  writeFileSync(
    join(folder, 'docker'),
    `#!/bin/sh
echo "$*" >>'${asked}'
case "$*" in
  'compose ps --quiet worker') ${listed(running)} ;;
  'compose ps --all --quiet worker') ${listed(running + stopped)} ;;
esac`,
  );
  chmodSync(join(folder, 'docker'), 0o755);
  const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
  execFileSync('sh', [join(findRepositoryRoot(), 'deploy/rolling-restart.sh')], { env });
  const lines = readFileSync(asked, 'utf8').split('\n');
  return lines.filter((line) => /^compose (?:stop|up) .*worker/.test(line));
}

describe('the rolling restart', () => {
  const recreated = (count: number): RegExp =>
    new RegExp(`^compose up .*--force-recreate .*--scale worker=${count} worker$`);

  it('stops every worker before it starts a new one, and starts as many', () => {
    expect(run(4, 0)).toEqual(['compose stop worker', expect.stringMatching(recreated(4))]);
  });

  it('starts as many workers as there were when a run before had only stopped them', () => {
    expect(run(0, 3)).toEqual(['compose stop worker', expect.stringMatching(recreated(3))]);
  });
});
