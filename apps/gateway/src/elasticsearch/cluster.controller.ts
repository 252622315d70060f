/**
 * The routes by which clients of Elasticsearch check what they send to, before the first document.
 *
 * Filebeat, Logstash and the clients of Elastic read product, version and licence; the product is at `/`, where
 * page.controller.ts answers. Vector and rsyslog ask for the health. Filebeat and Logstash also set up templates,
 * policies, pipelines and indices. That is acknowledged and has no effect: an event is stored as it came, and a topic
 * exists as soon as an event has it.
 */
import {
  Controller,
  Get,
  Head,
  Header,
  HttpCode,
  Inject,
  NotFoundException,
  Param,
  Put,
} from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ReadinessCheck } from '../health/readiness.js';
import type { RouteAccess } from '../keys/access.js';
import { allowedMethods } from '../problems/allowed-methods.js';
import type { RouteBodies } from '../publish/request-bodies.js';
import { CLUSTER_NAME } from './cluster-info.js';
import { PRODUCT_HEADER, PRODUCT_NAME } from './elastic-answer.js';

const NEEDS_PUBLISH: RouteAccess = { scope: 'publish' };
const SET_UP: RouteAccess & RouteBodies = { ...NEEDS_PUBLISH, anyBody: true };
/** What clients set up. Each is there, so that they need not. */
const DEFINITIONS = ['_template', '_index_template', '_component_template', '_ilm/policy', '_ingest/pipeline']
  .concat('_data_stream', '_alias')
  .map((kind) => `${kind}/:name`);

/** The routes around `/_bulk`. */
@Controller()
export class ClusterController {
  constructor(@Inject(ReadinessCheck) private readonly readiness: Pick<ReadinessCheck, 'check'>) {}

  @Get('_license')
  @Header(PRODUCT_HEADER, PRODUCT_NAME)
  @RouteConfig(NEEDS_PUBLISH)
  license(): object {
    const uid = '00000000-0000-4000-8000-000000000000';
    return {
      license: {
        status: 'active',
        uid,
        type: 'basic',
        issued_to: CLUSTER_NAME,
        issuer: CLUSTER_NAME,
        max_nodes: 1,
      },
    };
  }

  /** Elasticsearch answers 200 to it with any status, too. */
  @Get('_cluster/health')
  @Header(PRODUCT_HEADER, PRODUCT_NAME)
  @RouteConfig(NEEDS_PUBLISH)
  async health(): Promise<object> {
    const nodes = { timed_out: false, number_of_nodes: 1, number_of_data_nodes: 1 };
    return { cluster_name: CLUSTER_NAME, status: await this.status(), ...nodes };
  }

  @Get('_cat/health')
  @Header(PRODUCT_HEADER, PRODUCT_NAME)
  @Header('content-type', 'text/plain; charset=utf-8')
  @RouteConfig(NEEDS_PUBLISH)
  async healthLine(): Promise<string> {
    const seconds = Math.floor(Date.now() / 1_000);
    const clock = new Date().toISOString().slice(11, 19);
    return `${seconds} ${clock} ${CLUSTER_NAME} ${await this.status()} 1 1 0 0 0 0 0 0 0 - 100.0%\n`;
  }

  @Get(DEFINITIONS)
  @Header(PRODUCT_HEADER, PRODUCT_NAME)
  @RouteConfig(NEEDS_PUBLISH)
  definition(): object {
    return {};
  }

  @Put(DEFINITIONS)
  @Header(PRODUCT_HEADER, PRODUCT_NAME)
  @RouteConfig(SET_UP)
  define(): object {
    return { acknowledged: true };
  }

  @Head(':index')
  @HttpCode(200)
  @Header(PRODUCT_HEADER, PRODUCT_NAME)
  @RouteConfig(NEEDS_PUBLISH)
  exists(@Param('index') index: string): void {
    refuseOwnAddress(index);
    // Every other index is there.
  }

  @Put(':index')
  @Header(PRODUCT_HEADER, PRODUCT_NAME)
  @RouteConfig(SET_UP)
  createIndex(@Param('index') index: string): object {
    refuseOwnAddress(index);
    return { acknowledged: true, shards_acknowledged: true, index: index.slice(0, 256) };
  }

  private async status(): Promise<'green' | 'red'> {
    return (await this.readiness.check()).ready ? 'green' : 'red';
  }
}

/** An address of the gateway is not an index, so `PUT /publish` is a mistake. The filter says which methods it takes. */
function refuseOwnAddress(index: string): void {
  if (allowedMethods(`/${index}`) !== undefined) throw new NotFoundException();
}
