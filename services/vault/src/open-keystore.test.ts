import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSealer, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrations } from './store/migrations.ts'
import { createSoftHsm, hasSoftHsm, softhsmModule, type SoftHsm } from './testing/softhsm.ts'
import { readKeystoreConfiguration, readPin, type Pkcs11Configuration } from './keystore/configuration.ts'
import type { KeyBinding } from './keystore/keystore.ts'
import { openKeystore } from './open-keystore.ts'

const binding: KeyBinding = { vault: 'v', name: 'k', version: '1'.repeat(32), exportable: false, policyHash: '' }
const ec = { type: 'EC', curve: 'P-256' } as const

let directory: string
let hsm: SoftHsm | undefined
let token: Pkcs11Configuration
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'strongroom-keystore-'))
  if (!hasSoftHsm) return
  hsm = createSoftHsm()
  hsm.addToken('one')
  writeFileSync(join(directory, 'pin'), `${hsm.pin}\n`, { mode: 0o600 })
  token = { kind: 'pkcs11', module: softhsmModule, token: 'one', pinFile: join(directory, 'pin') }
})
afterAll(() => {
  hsm?.remove()
  rmSync(directory, { recursive: true })
})

describeStores('the keystore of a vault', (open) => {
  const started = async (): Promise<{ store: Store; sealer: ReturnType<typeof createSealer> }> => {
    const store = await open()
    await store.migrate('vault', migrations)
    return { store, sealer: createSealer(randomBytes(32)) }
  }

  it.skipIf(!hasSoftHsm)('is the token that the keys were made in, and starts as no other', async () => {
    const { store, sealer } = await started()
    const first = await openKeystore({ store, sealer, configuration: token })
    const { material } = await first.generate(ec, binding)
    first.close()
    await expect(openKeystore({ store, sealer })).rejects.toMatchObject({ code: 'KeystoreChanged' })
    const none = openKeystore({ store, sealer, configuration: { ...token, token: 'none' } })
    await expect(none).rejects.toMatchObject({ code: 'TokenMissing' })
    const again = await openKeystore({ store, sealer, configuration: token })
    const use = { operation: 'sign', algorithm: 'ES256', value: randomBytes(32) } as const
    expect((await again.use({ material, binding, spec: ec, use })).value).toHaveLength(64)
    again.close()
  })

  it('is software where nothing is configured, and does not become a token later', async () => {
    const { store, sealer } = await started()
    await openKeystore({ store, sealer })
    const module = { kind: 'pkcs11', module: '/nowhere', token: 'one' } as const
    const later = openKeystore({ store, sealer, configuration: module })
    await expect(later).rejects.toMatchObject({ code: 'KeystoreChanged', found: 'a PKCS#11 token' })
    await openKeystore({ store, sealer, configuration: { kind: 'software' } })
  })

  it('is not opened, nor chosen again, under another master key', async () => {
    const { store, sealer } = await started()
    await openKeystore({ store, sealer })
    await expect(openKeystore({ store, sealer: createSealer(randomBytes(32)) })).rejects.toThrow('cannot be decrypted')
  })
})

describe('the configuration of a keystore', () => {
  const file = (content: unknown): string => {
    const path = join(directory, 'keystore.json')
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }

  it('is read with the place of each fault', async () => {
    const good = { kind: 'pkcs11', module: '/usr/lib/x.so', token: 'one' }
    expect(await readKeystoreConfiguration(file(good))).toEqual(good)
    expect(await readKeystoreConfiguration(file({ kind: 'software' }))).toEqual({ kind: 'software' })
    const wrong: [unknown, string][] = [
      ['{', 'keystore.json'],
      [[], 'keystore.json'],
      [{}, ': kind'],
      [{ ...good, kind: 'other' }, ': module'],
      [{ ...good, module: 'x.so' }, ': module'],
      [{ ...good, token: '' }, ': token'],
      [{ ...good, token: 'x'.repeat(33) }, ': token'],
      [{ ...good, pin: '1234' }, ': pin'],
      [{ ...good, pinFile: 'pin' }, ': pinFile'],
      [{ ...good, transportKey: 'disk' }, ': transportKey'],
    ]
    for (const [content, target] of wrong) {
      const error = await readKeystoreConfiguration(file(content)).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'KeystoreConfigurationInvalid', target: expect.stringContaining(target) })
    }
  })

  it('takes the PIN from a file that nobody else can read', async () => {
    const pinFile = join(directory, 'pin-file')
    const o: Pkcs11Configuration = { kind: 'pkcs11', module: '/x', token: 'one', pinFile }
    await expect(readPin(o)).rejects.toMatchObject({ code: 'TokenPinMissing' })
    writeFileSync(pinFile, '1234\n', { mode: 0o600 })
    expect(await readPin(o)).toBe('1234')
    chmodSync(pinFile, 0o644)
    await expect(readPin(o)).rejects.toMatchObject({ code: 'SecretFileExposed' })
    const { pinFile: _, ...bare } = o
    await expect(readPin(bare)).rejects.toMatchObject({ code: 'TokenPinMissing' })
  })
})
