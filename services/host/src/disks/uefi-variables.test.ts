import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parsePem, toHex } from '@strongroom/evidence'
import {
  efiVendor,
  parseSignatureLists,
  parseVariableStore,
  secureBootState,
  secureBootEnabled,
  variableData,
} from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withNewKey } from '../image/signing-key.ts'
import { makeUefiVariables, microsoftVariables } from './uefi-variables.ts'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-variables-'))
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

const certificatesIn = (flash: Uint8Array): string[] =>
  parseSignatureLists(variableData(parseVariableStore(flash), 'db', efiVendor.imageSecurity)).map(({ content }) =>
    toHex(content),
  )

describe('UEFI variables of a new VM', () => {
  it("accept Microsoft's keys and the image's signer when Secure Boot is on, and nobody else may read them", async () => {
    const [certificate] = await withNewKey(({ certificatePem }) => Promise.resolve(parsePem(certificatePem)))
    const out = join(directory, 'on.fd')
    await makeUefiVariables({ secureBoot: true, keys: { db: [certificate ?? new Uint8Array()] }, out })
    const flash = await readFile(out)
    expect(secureBootEnabled(parseVariableStore(flash))).toBe(true)
    const microsoft = certificatesIn(await microsoftVariables())
    expect(new Set(certificatesIn(flash))).toEqual(new Set([...microsoft, toHex(certificate ?? new Uint8Array())]))
    expect((await stat(out)).mode & 0o777).toBe(0o600)
    expect((await readdir(directory)).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('have the publisher of the image as PK, and in KEK beside Microsoft, where it has one', async () => {
    const [publisher] = await withNewKey(({ certificatePem }) => Promise.resolve(parsePem(certificatePem)))
    const out = join(directory, 'publisher.fd')
    await makeUefiVariables({ secureBoot: true, keys: { db: [publisher!], publisher }, out })
    const { PK, KEK } = secureBootState(parseVariableStore(await readFile(out)))
    const before = secureBootState(parseVariableStore(await microsoftVariables()))
    const holders = (data: Uint8Array): string[] => parseSignatureLists(data).map(({ content }) => toHex(content))
    expect(holders(PK.data)).toEqual([toHex(publisher!)])
    expect(new Set(holders(KEK.data))).toEqual(new Set([...holders(before.KEK.data), toHex(publisher!)]))
  })

  it('enrol no key when Secure Boot is off', async () => {
    const out = join(directory, 'off.fd')
    await makeUefiVariables({ secureBoot: false, keys: { db: [] }, out })
    const variables = parseVariableStore(await readFile(out))
    expect(secureBootEnabled(variables)).toBe(false)
    expect(variables.map(({ name }) => name)).not.toContain('PK')
  })
})

describe('the key that signs an image', () => {
  it('is gone when the signing is done', async () => {
    const path = await withNewKey(async ({ keyPath }) => {
      expect(await readFile(keyPath, 'utf8')).toContain('PRIVATE KEY')
      expect((await stat(keyPath)).mode & 0o777).toBe(0o600)
      return keyPath
    })
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('is gone when the signing fails', async () => {
    let path = ''
    const failing = withNewKey(({ keyPath }) => {
      path = keyPath
      return Promise.reject(new Error('no'))
    })
    await expect(failing).rejects.toThrow('no')
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
