import type { FastifyInstance } from 'fastify'

/** The host names that an application answers. */
export interface VirtualHost {
  /** `host` comes without port and in lower case. */
  matches(host: string): boolean
  app: FastifyInstance
}
