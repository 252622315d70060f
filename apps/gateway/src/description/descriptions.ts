import { asyncApiDocument } from './asyncapi.js';
import { DOORS } from './doors.js';
import { openApiDocument } from './openapi.js';
import { ORIGIN_MARK } from './operation-markup.js';
import { referencePage } from './reference-page.js';

/** The texts of both descriptions, and of the page. They are written once, because every client may ask for them. */
export class Descriptions {
  readonly openApi: string;
  readonly asyncApi: string;
  private readonly page: readonly string[];

  /** @param subjectPrefix the first token of every subject */
  constructor(subjectPrefix: string) {
    const openApi = openApiDocument(DOORS);
    const asyncApi = asyncApiDocument(subjectPrefix);
    this.openApi = JSON.stringify(openApi);
    this.asyncApi = JSON.stringify(asyncApi);
    this.page = referencePage(openApi, asyncApi).split(ORIGIN_MARK);
  }

  /** The page, with commands for this origin. @param origin see `originOf`; it needs no escaping */
  pageFor(origin: string): string {
    return this.page.join(origin);
  }
}
