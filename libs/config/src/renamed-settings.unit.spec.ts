import { describe, expect, it } from '@jest/globals';
import { readGatewaySettings, SettingsError } from './environment.js';
import { withCurrentNames } from './renamed-settings.js';

const RENAMED = [
  ['SEKALI_NATS_INBOX_PREFIX', 'SEKALI_NATS_REPLY_PREFIX', '_INBOX_mine'],
  ['SEKALI_PUBLISH_TOGETHER', 'SEKALI_PUBLISH_ATOMIC_BATCH', 'false'],
  ['SEKALI_PUBLISH_TOGETHER_MAX', 'SEKALI_PUBLISH_ATOMIC_BATCH_MAX', '200'],
] as const;

describe('a setting that was renamed', () => {
  it.each(RENAMED)('keeps working under its former name %s', (former, name, value) => {
    expect(String(readGatewaySettings({ [former]: value })[name])).toBe(value);
  });

  it.each(RENAMED)('makes the settings check say that %s is now %s', (former, name, value) => {
    expect(withCurrentNames({ [former]: value })).toEqual({
      environment: { [name]: value },
      notices: [`${former} still works, but its name is now ${name}`],
      problems: [],
    });
  });

  it.each(RENAMED)('is refused with different values under %s and %s', (former, name, value) => {
    const read = (): unknown => readGatewaySettings({ [former]: value, [name]: `${value}1` });
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(`${former}: this is the former name of ${name}`);
  });

  it('may have the same value under both names', () => {
    const [former, name] = RENAMED[1];
    const given = { [former]: 'false', [name]: 'false' };
    expect(readGatewaySettings(given).SEKALI_PUBLISH_ATOMIC_BATCH).toBe('false');
  });

  it('leaves every other variable as it is', () => {
    const given = { PATH: '/bin', SEKALI_NATS_URLS: 'nats://a:1' };
    expect(withCurrentNames(given)).toEqual({ environment: given, notices: [], problems: [] });
  });
});
