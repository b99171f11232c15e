import type * as NodeHttp from 'node:http'

/**
 * node:http's createServer. An `import` of node:http reads all of its exports, one of which loads undici (WebSocket):
 * 30 ms of the start and memory, for a client that nothing here uses.
 */
export const createHttpServer: typeof NodeHttp.createServer = process.getBuiltinModule('node:http').createServer
