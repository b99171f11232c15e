import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { askAsOwner } from './https.ts'

/** Writes DIRECTORY/login.pem, a key with a certificate that signs clients in as the owner: no secret is in a command line. */
export async function writeLoginFile(o: {
  directory: string
  socket: string
}): Promise<{ path: string; clientId: string }> {
  const path = join(o.directory, 'login.pem')
  const issued = await askAsOwner<{ client_id: string; pem: string }>(o.socket, '/login-certificate', {})
  await mkdir(o.directory, { recursive: true, mode: 0o700 })
  await writeFile(path, issued.pem, { mode: 0o600 })
  await writeFile(join(o.directory, 'login.client-id'), issued.client_id, { mode: 0o600 })
  return { path, clientId: issued.client_id }
}
