import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { group, openTestPlane, sshKey } from '../../../testing/test-plane.ts'

const path = `${group}/providers/Microsoft.Compute/sshPublicKeys/mine`

describeStores('an SSH public key', (open) => {
  it('is kept under its name, changed, and made by the resource manager, which forgets the private half', async () => {
    const store = await open()
    const plane = await openTestPlane(store, undefined, { compute: 'simulated' })
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-ssh-key-'))
    try {
      await plane.send('PUT', group, { location: 'westeurope' })
      const made = await plane.send('PUT', path, { location: 'westeurope', properties: { publicKey: `${sshKey}\n` } })
      expect([made.status, made.body.properties]).toEqual([201, { publicKey: sshKey }])
      const wrong = await plane.send('PATCH', path, { properties: { publicKey: 'ssh-rsa AAAA' } })
      expect([wrong.status, wrong.body.error.code]).toEqual([400, 'InvalidParameter'])

      const { body: pair } = await plane.send('POST', `${path}/generateKeyPair`)
      const { body: kept } = await plane.send('GET', path)
      expect(kept.properties).toEqual({ publicKey: pair.publicKey })
      await writeFile(join(folder, 'key'), pair.privateKey, { mode: 0o600 })
      // ssh-keygen derives the public half from a private key.
      const { stdout } = await promisify(execFile)('ssh-keygen', ['-y', '-f', join(folder, 'key')])
      expect(stdout.split(' ')[1]?.trim()).toBe(pair.publicKey.split(' ')[1])
      const rows = await plane.store.db
        .selectFrom('resource' as never)
        .selectAll()
        .execute()
      expect(JSON.stringify(rows)).not.toContain('PRIVATE KEY')
      expect((await plane.send('DELETE', path)).status).toBe(200)
    } finally {
      await plane.service.close()
      await rm(folder, { recursive: true, force: true })
    }
  })
})
