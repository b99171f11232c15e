import { generateKeyPairSync } from 'node:crypto'
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
import { issueSelfSigned } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeUefiVariables, microsoftVariables, variableTemplates } from './uefi-variables.ts'
import { writeVariableFlash } from './variable-flash.ts'

let directory: string

const newCertificate = (): Uint8Array =>
  parsePem(
    issueSelfSigned({
      subject: 'CN=an image',
      privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
      usages: ['codeSigning'],
      notBefore: new Date('2026-01-01T00:00:00Z'),
      notAfter: new Date('2036-01-01T00:00:00Z'),
    }),
  )[0]!

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
    const certificate = newCertificate()
    const out = join(directory, 'on.fd')
    await makeUefiVariables({ secureBoot: true, keys: { db: [certificate] }, out })
    const flash = await readFile(out)
    expect(secureBootEnabled(parseVariableStore(flash))).toBe(true)
    const microsoft = certificatesIn(await microsoftVariables())
    expect(new Set(certificatesIn(flash))).toEqual(new Set([...microsoft, toHex(certificate)]))
    expect((await stat(out)).mode & 0o777).toBe(0o600)
    expect((await readdir(directory)).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('have the publisher of the image as PK, and in KEK beside Microsoft, where it has one', async () => {
    const publisher = newCertificate()
    const out = join(directory, 'publisher.fd')
    await makeUefiVariables({ secureBoot: true, keys: { db: [publisher], publisher }, out })
    const { PK, KEK } = secureBootState(parseVariableStore(await readFile(out)))
    const before = secureBootState(parseVariableStore(await microsoftVariables()))
    const holders = (data: Uint8Array): string[] => parseSignatureLists(data).map(({ content }) => toHex(content))
    expect(holders(PK.data)).toEqual([toHex(publisher)])
    expect(new Set(holders(KEK.data))).toEqual(new Set([...holders(before.KEK.data), toHex(publisher)]))
  })

  it('hold nothing else: no variable of the host’s template is taken (attack H36)', async () => {
    for (const [secureBoot, names] of [
      [true, ['PK', 'KEK', 'db', 'dbx']],
      [false, []],
    ] as const) {
      const out = join(directory, `only-${secureBoot}.fd`)
      const made = await makeUefiVariables({ secureBoot, keys: { db: [] }, out })
      expect(made.equals(await readFile(out))).toBe(true)
      expect(parseVariableStore(made).map(({ name }) => name)).toEqual(names)
    }
    // The enrolled template has more.
    expect(parseVariableStore(await microsoftVariables()).length).toBeGreaterThan(4)
  })

  it('leave no write waiting that the host’s template has behind its variables (attack H36)', async () => {
    const [, empty] = await variableTemplates()
    const written = Buffer.from(empty!)
    // Of the work space for writes: behind its header, and of its spare block.
    for (const at of [0x4_0000, 0x4_1020, 0x4_2000, written.length - 1]) written[at] = 0
    const made = writeVariableFlash(written, [])
    expect([made.equals(writeVariableFlash(empty!, [])), made.equals(empty!)]).toEqual([true, true])
  })

  it('enrol no key when Secure Boot is off', async () => {
    const out = join(directory, 'off.fd')
    await makeUefiVariables({ secureBoot: false, keys: { db: [] }, out })
    const variables = parseVariableStore(await readFile(out))
    expect(secureBootEnabled(variables)).toBe(false)
    expect(variables.map(({ name }) => name)).not.toContain('PK')
  })
})
