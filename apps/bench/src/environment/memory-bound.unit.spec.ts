import { describe, expect, it } from '@jest/globals';
import { cgroupPlaces } from './memory-bound.js';

describe('the places for a memory cgroup', () => {
  it('are in the group of this process, in either version', () => {
    expect(cgroupPlaces('5:devices:/\n4:cpu,memory:/one/two\n0::/three\n')).toStrictEqual([
      { folder: '/sys/fs/cgroup/memory/one/two', version: 1 },
      { folder: '/sys/fs/cgroup/three', version: 2 },
    ]);
  });

  it('do not exist without the controller, or without cgroups', () => {
    expect(cgroupPlaces('3:cpuset:/\n1:name=systemd:/memory\n')).toStrictEqual([]);
    expect(cgroupPlaces('')).toStrictEqual([]);
  });
});
