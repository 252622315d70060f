/** The page in a real Chromium, and what the browser said about it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll } from '@jest/globals';
import { chromiumPath } from './chromium.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WAIT_MS_MAX = 15_000;
/** What the browser itself says of a request that failed. While a part is down, requests do fail. */
const FAILED_REQUEST = 'Failed to load resource';

let started: Promise<Browser> | undefined;

async function browser(): Promise<Browser> {
  // Chromium's own sandbox does not start for root.
  started ??= chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox'] });
  return started;
}

afterAll(async () => {
  await (await started)?.close();
});

/** A violation of axe-core in one line. */
interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

/** One tab with the page. */
export class OpenedPage {
  /** Messages of the console, and errors that no code caught. */
  readonly messages: string[] = [];
  /** Requests that went anywhere else than to the gateway. */
  readonly foreignRequests: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly origin: string,
  ) {
    page.setDefaultTimeout(WAIT_MS_MAX);
    page.on('console', (message) => this.messages.push(message.text()));
    page.on('pageerror', (error) => this.messages.push(String(error)));
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${origin}/`) && !/^(?:blob|data):/.test(url)) this.foreignRequests.push(url);
    });
  }

  /** Opens a tab at a place, such as `#/dead-letters`. */
  static async open(gateway: string, place = '', options: BrowserContextOptions = {}): Promise<OpenedPage> {
    const context = await (
      await browser()
    ).newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const opened = new OpenedPage(await context.newPage(), gateway);
    await opened.page.goto(`${gateway}/${place}`);
    return opened;
  }

  /** Goes to a place by its address, as a link does. */
  async go(place: string): Promise<void> {
    await this.page.goto(`${this.origin}/${place}`);
  }

  /** Resolves when a text is visible. Throws at the deadline, with what is there instead. */
  async shows(text: string | RegExp, timeoutMs = WAIT_MS_MAX): Promise<void> {
    await this.page
      .getByText(text)
      .first()
      .waitFor({ timeout: timeoutMs })
      .catch(async (error: unknown) => {
        throw new Error(`"${String(text)}" is not shown; there is:\n${await this.text()}`, { cause: error });
      });
  }

  /** All text that is there. */
  async text(): Promise<string> {
    return this.page.locator('body').innerText();
  }

  /** The text of the equation in one line: `4 received = 3 stored + …`. */
  async equation(): Promise<string> {
    const text = await this.page.locator('.equation').innerText();
    return text.replaceAll(/\s+/g, ' ').trim();
  }

  /** Follows a link to a file. Resolves with the file's name and its text. */
  async download(link: string): Promise<{ readonly name: string; readonly text: string }> {
    const [download] = await Promise.all([
      this.page.waitForEvent('download'),
      this.page.getByRole('link', { name: link, exact: true }).click(),
    ]);
    return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') };
  }

  /** What axe-core finds wrong with the page as it is. */
  async violations(): Promise<string[]> {
    await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate<AxeResult>('axe.run(document)');
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => `${id}: ${help}: ${node.html} ${node.failureSummary ?? ''}`),
    );
  }

  /** Messages other than those of requests that failed. */
  get ownMessages(): string[] {
    return this.messages.filter((message) => !message.startsWith(FAILED_REQUEST));
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}
