/** The methods of each address. The router knows only that it found no route; this distinguishes 405 from 404. */

const ADDRESSES: readonly (readonly [pattern: RegExp, methods: readonly string[]])[] = [
  [/^\/publish$/, ['POST']],
  [/^\/cloudevents$/, ['POST', 'OPTIONS']],
  [/^\/(?:[^/]+\/)?_bulk$/, ['POST', 'PUT']],
  [/^\/(?:_license|_(?:cluster|cat)\/health)?$/, ['GET', 'HEAD']],
  [
    /^\/_(?:(?:index_|component_)?template|ilm\/policy|ingest\/pipeline|data_stream|alias)\/[^/]+$/,
    ['GET', 'HEAD', 'PUT'],
  ],
  [/^\/webhooks\/[^/]+$/, ['POST']],
  [/^\/upload$/, ['POST']],
  [/^\/loki\/api\/v1\/push$/, ['POST']],
  [/^\/v1\/logs$/, ['POST']],
  [/^\/events$/, ['GET', 'HEAD']],
  [/^\/events\/[^/]+(\/.+)?$/s, ['GET', 'HEAD']],
  [/^\/dead-letters$/, ['GET', 'HEAD']],
  [/^\/dead-letters\/(?:[^/]+\/)?(?:replay|drop)$/, ['POST']],
  [/^\/dead-letters\/[^/]+$/, ['GET', 'HEAD']],
  [/^\/stats(?:\/topics|\/repeats)?$/, ['GET', 'HEAD']],
  [/^\/system$/, ['GET', 'HEAD']],
  [/^\/facets$/, ['GET', 'HEAD']],
  [/^\/histogram$/, ['GET', 'HEAD']],
  [/^\/health(\/live|\/ready)?$/, ['GET', 'HEAD']],
  [/^\/page\/[^/]+$/, ['GET', 'HEAD']],
  [/^\/(?:docs|openapi\.json|asyncapi\.json)$/, ['GET', 'HEAD']],
];

/** The methods of a path, or `undefined` when it does not exist. */
export function allowedMethods(path: string): readonly string[] | undefined {
  return ADDRESSES.find(([pattern]) => pattern.test(path))?.[1];
}
