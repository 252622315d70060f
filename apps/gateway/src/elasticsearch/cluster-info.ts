/** What clients of Elasticsearch are shown of the cluster: the controller answers with it, and the description has it. */

/** The name of the cluster and of its node. */
export const CLUSTER_NAME = 'sekali';

/** Product and version. Clients of a newer version may refuse to send. It is the version of the client in the tests. */
export const CLUSTER_INFO = {
  name: CLUSTER_NAME,
  cluster_name: CLUSTER_NAME,
  cluster_uuid: 'c2VrYWxpLWV2ZXJ5LW9uY2U',
  version: {
    number: '9.4.3',
    build_flavor: 'default',
    build_type: 'tar',
    build_hash: 'unknown',
    build_date: '1970-01-01T00:00:00Z',
    build_snapshot: false,
    lucene_version: '10.0.0',
    minimum_wire_compatibility_version: '8.19.0',
    minimum_index_compatibility_version: '8.0.0',
  },
  tagline: 'You Know, for Search',
} as const;
