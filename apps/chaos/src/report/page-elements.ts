/**
 * The parts of a browser and of uPlot that the page's script uses.
 *
 * The compiler's own types of a browser would make `document` known in the whole monorepo, which runs in Node.
 */
import type { PageData } from './page-data.js';

/** An element of the page. */
export interface PageElement {
  textContent: string | null;
  readonly clientWidth: number;
  readonly dataset: Readonly<Record<string, string | undefined>>;
  readonly classList: { add(name: string): void };
  scrollIntoView(options: { block: 'center' }): void;
  addEventListener(event: 'click', listener: () => void): void;
}

/** The page. */
export interface PageDocument {
  readonly documentElement: PageElement;
  getElementById(id: string): PageElement | null;
  createElement(name: 'canvas'): { getContext(kind: '2d'): Canvas };
  querySelectorAll(selector: string): Iterable<PageElement>;
}

/** The window that shows the page. */
export interface PageWindow {
  readonly devicePixelRatio: number;
  matchMedia(query: string): { addEventListener(event: 'change', listener: () => void): void };
  addEventListener(event: 'resize', listener: () => void): void;
  getComputedStyle(element: PageElement): { getPropertyValue(name: string): string };
}

/** The canvas. */
export interface Canvas {
  fillStyle: string;
  strokeStyle: string;
  globalAlpha: number;
  lineWidth: number;
  font: string;
  textBaseline: string;
  textAlign: string;
  save(): void;
  restore(): void;
  beginPath(): void;
  rect(x: number, y: number, width: number, height: number): void;
  clip(): void;
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  stroke(): void;
  setLineDash(dashes: number[]): void;
  fillRect(x: number, y: number, width: number, height: number): void;
  strokeRect(x: number, y: number, width: number, height: number): void;
  fillText(text: string, x: number, y: number): void;
  measureText(text: string): { readonly width: number };
}

/** A chart of uPlot. */
export interface Chart {
  readonly ctx: Canvas;
  /** The plot without its axes, in pixels of the canvas. */
  readonly bbox: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  };
  readonly cursor: { readonly idx?: number | null };
  readonly data: readonly (readonly (number | null)[])[];
  valToPos(value: number, scale: string, inCanvasPixels: boolean): number;
  setScale(scale: string, limits: { min: number; max: number }): void;
  setSize(size: { width: number; height: number }): void;
  destroy(): void;
}

/** Creates a chart. */
export type ChartMaker = new (
  options: object,
  columns: readonly (readonly (number | null)[])[],
  target: PageElement,
) => Chart;

/** A line of a chart. */
export interface Line {
  readonly label: string;
  /** The name of its colour in the style sheet. */
  readonly colour: string;
  readonly column: 'sent' | 'acknowledged' | 'settled' | 'lag' | 'memoryMiB';
  readonly dash?: number[];
  readonly unit: string;
}

/** What the functions of the script share. */
export interface Page {
  readonly document: PageDocument;
  readonly window: PageWindow;
  readonly maker: ChartMaker;
  readonly data: PageData;
  charts: Chart[];
}
