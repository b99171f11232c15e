import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { createSealer, type Sealer } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSoftHsm, hasSoftHsm, softhsmModule, type SoftHsm } from '../../testing/softhsm.ts'
import { openWrapped } from '../../testing/unwrap.ts'
import type { KeyBinding } from '../keystore.ts'
import { loadModule, restartModule, type Handle } from './module.ts'
import { openPkcs11Keystore, type Pkcs11Keystore } from './pkcs11.ts'

const kept: KeyBinding = { vault: 'v', name: 'k', version: '1'.repeat(32), exportable: false, policyHash: '' }
const exportable: KeyBinding = { ...kept, exportable: true, policyHash: 'b'.repeat(64) }
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const wrappingKey = publicKey.export({ format: 'jwk' }) as { n: string; e: string }

/** Needs Debian's softhsm2. */
describe.skipIf(!hasSoftHsm)('a PKCS#11 token', () => {
  let hsm: SoftHsm
  const sealer = createSealer(randomBytes(32))
  beforeAll(() => {
    hsm = createSoftHsm()
    for (const label of ['one', 'twin', 'twin']) hsm.addToken(label)
  })
  afterAll(() => hsm.remove())
  const open = (o: { label?: string; pin?: string; serial?: string; sealer?: Sealer } = {}): Promise<Pkcs11Keystore> =>
    openPkcs11Keystore({
      sealer: o.sealer ?? sealer,
      module: softhsmModule,
      label: o.label ?? 'one',
      pin: () => Promise.resolve(o.pin ?? hsm.pin),
      ...(o.serial !== undefined && { serial: o.serial }),
    })

  it('refuses a wrong PIN, a missing token, two of one label, another serial and a missing module', async () => {
    await expect(open({ pin: '0000000' })).rejects.toMatchObject({ code: 'TokenPinWrong' })
    await expect(open({ label: 'none' })).rejects.toMatchObject({ code: 'TokenMissing' })
    await expect(open({ label: 'twin' })).rejects.toMatchObject({ code: 'TokenMissing' })
    await expect(open({ serial: '0123456789abcdef' })).rejects.toMatchObject({
      code: 'TokenChanged',
      expected: 'serial 0123456789abcdef',
    })
    const missing = openPkcs11Keystore({
      sealer,
      module: '/nowhere/lib.so',
      label: 'one',
      pin: () => Promise.resolve(''),
    })
    await expect(missing).rejects.toMatchObject({ code: 'Pkcs11ModuleMissing' })
    const broken = openPkcs11Keystore({ sealer, module: '/etc/hostname', label: 'one', pin: () => Promise.resolve('') })
    await expect(broken).rejects.toMatchObject({ code: 'Pkcs11ModuleUnusable' })
  })

  it('says no word of the PIN when it refuses it', async () => {
    const error = await open({ pin: '1999999' }).catch((caught: unknown) => caught as Error)
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('1999999')
  })

  it('gives out no private key, not to us either: the token refuses, and keeps what is not exportable from wrapping', async () => {
    const keystore = await open()
    await keystore.generate({ type: 'RSA', bits: 2048 }, exportable)
    const { binding: b, module } = await loadModule(softhsmModule)
    const slot = module.C_GetSlotList(true).find((each) => module.C_GetTokenInfo(each).label.trimEnd() === 'one')!
    const session = module.C_OpenSession(slot, b.CKF_SERIAL_SESSION | b.CKF_RW_SESSION)
    module.C_FindObjectsInit(session, [{ type: b.CKA_CLASS, value: b.CKO_PRIVATE_KEY }])
    const [key] = module.C_FindObjects(session, 1) as [Handle]
    module.C_FindObjectsFinal(session)
    expect(() => module.C_GetAttributeValue(session, key, [{ type: b.CKA_PRIVATE_EXPONENT }])).toThrow('SENSITIVE')
    expect(() => module.C_SetAttributeValue(session, key, [{ type: b.CKA_SENSITIVE, value: false }])).toThrow()
    const { material } = await keystore.generate({ type: 'EC', curve: 'P-256' }, kept)
    // The row claims, under a valid seal, that the key may leave: the token knows better.
    const forged = await keystore.rebind(material, kept, exportable)
    const wrapping = keystore.wrapForRelease({
      material: forged,
      binding: exportable,
      wrappingKey,
      algorithm: 'CKM_RSA_AES_KEY_WRAP',
    })
    await expect(wrapping).rejects.toThrow('UNEXTRACTABLE')
    keystore.close()
  })

  it('names the wrappings that the token can do, and refuses others', async () => {
    const keystore = await open()
    expect(keystore.ability.algorithms).toMatchObject({ CKM_RSA_AES_KEY_WRAP: 'token' })
    const { material } = await keystore.generate({ type: 'oct', bits: 256 }, exportable)
    for (const algorithm of ['RSA_AES_KEY_WRAP_256', 'RSA_AES_KEY_WRAP_384'] as const) {
      const wrapping = keystore.wrapForRelease({ material, binding: exportable, wrappingKey, algorithm })
      if (algorithm in keystore.ability.algorithms) {
        expect(openWrapped(await wrapping, privateKey, algorithm)).toHaveLength(32)
      } else await expect(wrapping).rejects.toMatchObject({ code: 'BadParameter', target: 'enc' })
    }
    keystore.close()
  })

  it('does every wrapping where it may make the transport key itself, and still in the token where that can', async () => {
    const keystore = await openPkcs11Keystore({
      sealer,
      module: softhsmModule,
      label: 'one',
      pin: () => Promise.resolve(hsm.pin),
      transportKey: 'memory',
    })
    expect(keystore.ability.algorithms).toMatchObject({ CKM_RSA_AES_KEY_WRAP: 'token' })
    const { publicParts, material } = await keystore.generate({ type: 'RSA', bits: 2048 }, exportable)
    for (const algorithm of ['CKM_RSA_AES_KEY_WRAP', 'RSA_AES_KEY_WRAP_256', 'RSA_AES_KEY_WRAP_384'] as const) {
      const wrapped = await keystore.wrapForRelease({ material, binding: exportable, wrappingKey, algorithm })
      const secret = openWrapped(wrapped, privateKey, algorithm)
      const opened = createPublicKey(createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' }))
      expect(opened.export({ format: 'jwk' })).toMatchObject(publicParts)
    }
    keystore.close()
  })

  it('makes no exportable key where it cannot wrap one, and says so', async () => {
    const keystore = await open()
    keystore.ability.algorithms = {}
    await expect(keystore.generate({ type: 'EC', curve: 'P-256' }, exportable)).rejects.toMatchObject({
      code: 'KeyNotExportable',
      status: 400,
    })
    await expect(keystore.generate({ type: 'EC', curve: 'P-256' }, kept)).resolves.toBeTruthy()
    keystore.close()
  })

  it('finds its keys after a restart of the module, and not after they were destroyed', async () => {
    const keystore = await open()
    const spec = { type: 'EC', curve: 'P-256' } as const
    const { material } = await keystore.generate(spec, kept)
    const sign = (by: Pkcs11Keystore): Promise<unknown> =>
      by.use({ material, binding: kept, spec, use: { operation: 'sign', algorithm: 'ES256', value: randomBytes(32) } })
    await sign(keystore)
    const { binding, module } = await loadModule(softhsmModule)
    restartModule(binding, module)
    await expect(sign(keystore)).rejects.toMatchObject({ code: 'TokenUnavailable', status: 503 })
    await sign(keystore)
    await keystore.destroy(material, kept)
    await expect(sign(keystore)).rejects.toMatchObject({ code: 'KeyNotInToken' })
    keystore.close()
  })

  it('says that its token is lost for as long as it is, and makes nothing in its place', async () => {
    const keystore = await open()
    const spec = { type: 'EC', curve: 'P-256' } as const
    hsm.removeTokens()
    const { binding, module } = await loadModule(softhsmModule)
    restartModule(binding, module)
    for (let round = 0; round < 3; round++) {
      await expect(keystore.generate(spec, kept)).rejects.toMatchObject({ code: 'TokenUnavailable', status: 503 })
    }
    hsm.addToken('one')
    await expect(keystore.generate(spec, kept)).rejects.toMatchObject({ code: 'TokenChanged' })
    await expect(open({ serial: keystore.serial })).rejects.toMatchObject({ code: 'TokenChanged' })
    keystore.close()
  })
})
