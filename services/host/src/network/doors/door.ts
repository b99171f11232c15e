import { chmod } from 'node:fs/promises'
import type { Server } from 'node:net'

/** Connections of one guest to a door that does not speak HTTP. Further ones are closed at once. */
export const connectionLimit = 128

/** Makes a server listen where only one VM's network leads; HTTP servers limit their connections themselves. */
export async function openDoor(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  await chmod(path, 0o600)
}
