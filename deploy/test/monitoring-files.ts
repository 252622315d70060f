/** What the rules and the dashboard in deploy/monitoring ask of Prometheus. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';

/** The folder of the rules and the dashboard. */
export const MONITORING = fileURLToPath(new URL('../monitoring/', import.meta.url));

/** An alert of rules.yml. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly remedy: string };
}

/** A test of rules.test.yml. */
export interface AlertTest {
  readonly name: string;
  readonly alert_rule_test: readonly {
    readonly alertname: string;
    readonly exp_alerts: readonly unknown[];
  }[];
}

/** A panel of the dashboard. */
export interface Panel {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** One expression, and where it is. */
export interface Expression {
  readonly where: string;
  readonly expr: string;
}

/** Reads the alerts. */
export function readAlerts(): readonly Alert[] {
  const file = load(readFileSync(`${MONITORING}rules.yml`, 'utf8')) as {
    groups: { rules: Alert[] }[];
  };
  return file.groups.flatMap(({ rules }) => rules);
}

/** Reads the tests of the alerts. */
export function readAlertTests(): readonly AlertTest[] {
  return (load(readFileSync(`${MONITORING}rules.test.yml`, 'utf8')) as { tests: AlertTest[] }).tests;
}

/** Reads the panels of the dashboard, without its rows. */
export function readPanels(): readonly Panel[] {
  const text = readFileSync(`${MONITORING}dashboards/sekali.json`, 'utf8');
  return (JSON.parse(text) as { panels: Panel[] }).panels.filter(({ type }) => type !== 'row');
}

/** All expressions of rules and dashboard. */
export function readExpressions(): readonly Expression[] {
  return [
    ...readAlerts().map(({ alert, expr }) => ({ where: alert, expr })),
    ...readPanels().flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: title, expr }))),
  ];
}

/** A metric in an expression, with the labels that it is asked for. */
export interface Selector {
  readonly metric: string;
  /** As it stands in the expression: `name{label="value"}`. */
  readonly text: string;
  readonly labels: readonly string[];
}

/** Finds the metrics of an expression. Names of functions have no underscore and a known prefix, which metrics have. */
export function selectorsOf(expr: string): readonly Selector[] {
  return [...expr.matchAll(/\b((?:sekali|nodejs|process)_\w+|up\b)(\{[^}]*\})?/g)].map(
    ([text, metric = '', matchers = '']) => ({
      metric,
      text,
      labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    }),
  );
}

/** Finds the labels by which an expression groups. */
export function groupingsOf(expr: string): readonly string[] {
  return [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  );
}
