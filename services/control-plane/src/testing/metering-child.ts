import { createSealer, openStore } from '@strongroom/platform'
import { makeNetwork, openTestPlane, vmPath, vmRequest } from './test-plane.ts'

/** A resource manager in a separate process that creates, stops, starts and deletes VMs until it is killed. */
const [directory = ''] = process.argv.slice(2)
const store = await openStore({ url: `sqlite:${directory}`, service: 'test', sealer: createSealer(new Uint8Array(32)) })
const plane = await openTestPlane(store, undefined, { compute: 'simulated' })
await makeNetwork(plane, 'vm1')
for (;;) {
  for (const [method, path, body] of [
    ['PUT', vmPath('vm1'), vmRequest('vm1')],
    ['POST', `${vmPath('vm1')}/deallocate`, undefined],
    ['POST', `${vmPath('vm1')}/start`, undefined],
    ['DELETE', vmPath('vm1'), undefined],
  ] as const) {
    const reply = await plane.send(method, path, body)
    if (reply.headers['azure-asyncoperation'] !== undefined) await plane.follow(reply)
    if (method === 'DELETE') await makeNetwork(plane, 'vm1')
    if (method === 'PUT') process.stdout.write('made\n')
  }
}
