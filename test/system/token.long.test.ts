import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModule } from '../../services/vault/src/keystore/pkcs11/module.ts'
import { createSoftHsm, hasSoftHsm, softhsmModule, type SoftHsm } from '../../services/vault/src/testing/softhsm.ts'
import { TestInstallation } from './support/installation.ts'
import { readEvidence } from './support/vm.ts'

interface Refusal {
  error: { code: string; message: string }
}

/** A VM whose platform key was never outside a PKCS#11 token until it was wrapped for that VM's evidence. */
describe.skipIf(!hasSoftHsm || !existsSync('/usr/bin/qemu-system-x86_64'))(
  'a VM whose key is in a PKCS#11 token',
  () => {
    let installation: TestInstallation
    let hsm: SoftHsm
    let keystoreFile: string

    const configure = (transportKey: 'token' | 'memory'): Promise<void> =>
      writeFile(
        keystoreFile,
        JSON.stringify({
          kind: 'pkcs11',
          module: softhsmModule,
          token: 'machines',
          pinFile: join(hsm.directory, 'pin'),
          transportKey,
        }),
      )
    const start = (): Promise<void> =>
      installation.start({ STRONGROOM_KEYSTORE_FILE: keystoreFile, SOFTHSM2_CONF: hsm.configuration })

    beforeAll(async () => {
      installation = await TestInstallation.create()
      hsm = createSoftHsm()
      hsm.addToken('machines')
      await writeFile(join(hsm.directory, 'pin'), hsm.pin, { mode: 0o600 })
      keystoreFile = join(hsm.directory, 'keystore.json')
    })
    afterAll(async () => {
      await installation?.remove()
      hsm?.remove()
    })

    /** Whether each private key in the token is sensitive, and whether it was generated there. */
    async function keysInToken(): Promise<{ sensitive: boolean; local: boolean; label: string }[]> {
      const { binding: b, module } = await loadModule(softhsmModule)
      const session = module.C_OpenSession(module.C_GetSlotList(true)[0]!, b.CKF_SERIAL_SESSION)
      module.C_Login(session, b.CKU_USER, hsm.pin)
      module.C_FindObjectsInit(session, [{ type: b.CKA_CLASS, value: b.CKO_PRIVATE_KEY }])
      const found = module.C_FindObjects(session, 100).map((object) => {
        const asked = [{ type: b.CKA_SENSITIVE }, { type: b.CKA_LOCAL }, { type: b.CKA_LABEL }]
        const [sensitive, local, label] = module
          .C_GetAttributeValue(session, object, asked)
          .map(({ value }) => value as Buffer)
        return { sensitive: sensitive![0] === 1, local: local![0] === 1, label: label!.toString() }
      })
      module.C_FindObjectsFinal(session)
      module.C_CloseSession(session)
      return found
    }

    it('is not made where the token cannot wrap as hosts ask: refused at once, nothing is left', async () => {
      await configure('token')
      await start()
      const outcome = await installation.cli('vm', 'create', 'strict')
      expect(outcome.code).toBe(1)
      const { message } = (outcome.json as Refusal).error
      expect(message + outcome.stdout).toContain('RSA_AES_KEY_WRAP_256')
      expect(outcome.stdout).toContain('transportKey')
      expect(await keysInToken()).toEqual([])
      await installation.stop()
    })

    it('boots, attested, with a key that was made in the token, where the transport key may be in memory; the log says so', async () => {
      await configure('memory')
      await start()
      expect(await installation.serverLog()).toContain('is created in this process’s memory')
      await installation.must('vm', 'create', 'kept')
      const evidence = await readEvidence(installation, 'kept')
      const held = await keysInToken()
      expect(held).toMatchObject([{ sensitive: true, local: true }])
      expect(held[0]!.label.startsWith('platform/')).toBe(true)
      expect(evidence.release.keyId).toContain(held[0]!.label.split('/')[2]!)
      expect((await installation.cli('vm', 'trust', 'kept')).code).toBe(0)
      expect((await installation.inGuest('kept', 'cat /proc/mounts')).stdout).toContain(' / ')
      const database = await readFile(join(installation.stateDir, 'vault.db'))
      // A PKCS#8 key, sealed or not, would be key material; the database holds only a reference to the key.
      expect(database.includes(Buffer.from(hsm.pin))).toBe(false)
      await installation.must('vm', 'stop', 'kept')
      await installation.stop()
    })

    it('is not started, and says why, once the operator forbids the transport key in memory, or takes the token away', async () => {
      await configure('token')
      await start()
      const outcome = await installation.cli('vm', 'start', 'kept')
      expect(outcome.code).not.toBe(0)
      expect(outcome.stdout).toContain('does not wrap with RSA_AES_KEY_WRAP_256')
      await installation.stop()
      hsm.removeTokens()
      await expect(start()).rejects.toMatchObject({ detail: { code: 'TokenMissing' } })
    })
  },
)
