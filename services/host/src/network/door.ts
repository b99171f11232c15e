import { chmod } from 'node:fs/promises'
import type { Server } from 'node:net'

/** Connections of one guest to a door that speaks no HTTP. What is beyond is closed at once. */
export const connectionLimit = 128

/** Has a server listen where one VM's network alone leads; those of HTTP bound their connections themselves. */
export async function openDoor(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  await chmod(path, 0o600)
}
