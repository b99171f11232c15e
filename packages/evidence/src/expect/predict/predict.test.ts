import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../core/bytes/hex.ts'
import { eventTypes } from '../../eventlog/event-types.ts'
import { parseEventLog } from '../../eventlog/event-log.ts'
import { extendAll, separatorDigest, textDigest } from './pcr.ts'
import { predictPcr11, sectionDigests } from './pcr11.ts'
import { predictPcr4 } from './pcr4.ts'
import { predictPcr7, secureBootEnabled } from './pcr7.ts'
import { authenticodeDigest, parsePe } from './pe.ts'
import { findAuthority, signerCertificates } from './pe-signers.ts'
import { efiVendor } from '../../eventlog/efi-vendor.ts'
import { parseVariableStore, variableData } from './variable-store.ts'

const read = (name: string): Uint8Array =>
  new Uint8Array(gunzipSync(readFileSync(new URL(`fixtures/${name}`, import.meta.url))))

/**
 * One real boot under OVMF 2025.02 with Secure Boot: the variables it started from, its event log, its PCRs as the vTPM
 * quoted them. `boot` is a small image signed by the same key, with the same `.osrel`, `.cmdline`, `.uname` and
 * `.sbat`, with texts in place of kernel and initrd.
 */
const recorded = {
  variables: (): Uint8Array => read('uefi-variables.fd.gz'),
  eventLog: (): Uint8Array => read('event-log.bin.gz'),
  boot: (): Uint8Array => read('boot.efi.gz'),
  pcrs: {
    4: '7791f58ca49f4519c146ec21bbbd3ef811cb8c92f27d327848f3f97a2d02a55b',
    7: 'e5d526bff373d65ef2cb2409cd737ef10fb7af38c0fe77304416fb3cdfdec6a8',
    11: 'ec3086ba62174af53b953dbd58d2c12fbdba427f850a0e583fe86be54c0820cd',
  },
}

const measured = (pcr: number, type?: number): string[] =>
  parseEventLog(recorded.eventLog())
    .events.filter((event) => event.pcr === pcr && (type === undefined || event.type === type))
    .map((event) => toHex(event.digests.get('sha256') ?? new Uint8Array()))

describe('PCR 7', () => {
  it('equals what a vTPM quoted after a real boot with Secure Boot', async () => {
    const variables = parseVariableStore(recorded.variables())
    const authority = findAuthority(variables, parsePe(recorded.boot()))
    expect(toHex(await predictPcr7({ variables, authority }))).toBe(recorded.pcrs[7])
  })

  it('changes when anybody adds, removes or alters a key', async () => {
    const variables = parseVariableStore(recorded.variables())
    const authority = findAuthority(variables, parsePe(recorded.boot()))
    for (const name of ['PK', 'KEK', 'db', 'dbx']) {
      const altered = variables.map((variable) =>
        variable.name === name ? { ...variable, data: variable.data.slice(0, -1) } : variable,
      )
      expect(toHex(await predictPcr7({ variables: altered, authority })), name).not.toBe(recorded.pcrs[7])
    }
  })

  it('is another value without Secure Boot, and then no authority counts', async () => {
    const variables = parseVariableStore(recorded.variables()).filter((variable) => variable.name !== 'PK')
    expect(secureBootEnabled(variables)).toBe(false)
    const authority = findAuthority(variables, parsePe(recorded.boot()))
    const value = toHex(await predictPcr7({ variables, authority }))
    expect(value).not.toBe(recorded.pcrs[7])
    expect(toHex(await predictPcr7({ variables, authority: undefined }))).toBe(value)
  })

  it('takes Secure Boot as off when it is switched off although keys are enrolled', () => {
    const variables = parseVariableStore(recorded.variables())
    expect(secureBootEnabled(variables)).toBe(true)
    const off = variables.map((variable) =>
      variable.name === 'SecureBootEnable' ? { ...variable, data: Uint8Array.of(0) } : variable,
    )
    expect(secureBootEnabled(off)).toBe(false)
  })
})

describe('the authority of an image', () => {
  it('is the entry of db with the certificate that signed it', () => {
    const boot = parsePe(recorded.boot())
    const authority = findAuthority(parseVariableStore(recorded.variables()), boot)
    const [signer] = signerCertificates(boot)
    expect(authority?.subarray(16)).toEqual(signer)
  })

  it('does not exist for an image that nobody signed', () => {
    const boot = parsePe(recorded.boot())
    const unsigned = { ...boot, certificates: new Uint8Array() }
    expect(findAuthority(parseVariableStore(recorded.variables()), unsigned)).toBeUndefined()
  })

  it('does not exist where db lacks the signer', () => {
    const variables = parseVariableStore(recorded.variables()).filter((variable) => variable.name !== 'db')
    expect(findAuthority(variables, parsePe(recorded.boot()))).toBeUndefined()
  })
})

describe('PCR 4', () => {
  it('is made of the steps that the firmware logged', async () => {
    const steps = measured(4)
    expect(steps.slice(0, 2)).toEqual([
      toHex(await textDigest('Calling EFI Application from Boot Option')),
      toHex(await separatorDigest()),
    ])
    expect(steps).toHaveLength(3)
  })

  it('covers the digest that the signer of the image signed', async () => {
    const boot = parsePe(recorded.boot())
    const digest = toHex(await authenticodeDigest(boot))
    // The signature's SpcIndirectDataContent holds the digest: an independent oracle.
    expect(toHex(boot.certificates)).toContain(digest)
    const started = [await textDigest('Calling EFI Application from Boot Option'), await separatorDigest()]
    expect(toHex(await predictPcr4({ image: boot, secureBoot: true }))).toBe(
      toHex(await extendAll([...started, await authenticodeDigest(boot)])),
    )
  })

  it('changes with one byte of any section and not with the signature', async () => {
    const bytes = recorded.boot()
    const boot = parsePe(bytes)
    const before = toHex(await predictPcr4({ image: boot, secureBoot: true }))
    for (const section of boot.sections) {
      const altered = bytes.slice()
      altered[section.rawOffset] = (altered[section.rawOffset] ?? 0) ^ 1
      expect(toHex(await predictPcr4({ image: parsePe(altered), secureBoot: true })), section.name).not.toBe(before)
    }
    const resigned = bytes.slice()
    const last = resigned.length - boot.certificates.length + 20
    resigned[last] = (resigned[last] ?? 0) ^ 1
    expect(toHex(await predictPcr4({ image: parsePe(resigned), secureBoot: true }))).toBe(before)
  })

  it('covers the kernel inside the image too when Secure Boot is off', async () => {
    const inner = recorded.boot()
    const outer = parsePe(recorded.boot())
    const sections = outer.sections.map((section) =>
      section.name === '.linux' ? { ...section, data: inner } : section,
    )
    const image = { ...outer, sections }
    const steps = [
      await textDigest('Calling EFI Application from Boot Option'),
      await separatorDigest(),
      await authenticodeDigest(image),
    ]
    expect(toHex(await predictPcr4({ image, secureBoot: true }))).toBe(toHex(await extendAll(steps)))
    steps.push(await authenticodeDigest(parsePe(inner)))
    expect(toHex(await predictPcr4({ image, secureBoot: false }))).toBe(toHex(await extendAll(steps)))
  })
})

describe('PCR 11', () => {
  it('measures each section as the stub logged it, in the same order', async () => {
    const logged = measured(11, eventTypes.EV_IPL)
    const computed = (await sectionDigests(parsePe(recorded.boot()))).map(toHex)
    expect(computed).toHaveLength(logged.length)
    const differing = computed.flatMap((digest, index) => (digest === logged[index] ? [] : [index]))
    // Only .linux (second) and .initrd (eighth) differ in the recorded boot.
    expect(differing).toEqual([1, 7])
  })

  it('ends at the quoted value when the logged digests are followed by the boot phases', async () => {
    const logged = parseEventLog(recorded.eventLog()).events.flatMap((event) =>
      event.pcr === 11 ? [event.digests.get('sha256') ?? new Uint8Array()] : [],
    )
    const phases = ['enter-initrd', 'leave-initrd', 'sysinit', 'ready']
    const digests = [...logged, ...(await Promise.all(phases.map((text) => textDigest(text))))]
    expect(toHex(await extendAll(digests))).toBe(recorded.pcrs[11])
  })

  it('differs in every phase, so that what is sealed to the initrd stays shut afterwards', async () => {
    const boot = parsePe(recorded.boot())
    const values = await Promise.all(
      ([undefined, 'enter-initrd', 'leave-initrd', 'sysinit', 'ready'] as const).map(async (phase) =>
        toHex(await predictPcr11(boot, phase)),
      ),
    )
    expect(new Set(values).size).toBe(values.length)
  })
})

describe('the variable store', () => {
  it('yields the variables that OVMF was given', () => {
    const variables = parseVariableStore(recorded.variables())
    expect(variables.map(({ name }) => name)).toEqual(expect.arrayContaining(['PK', 'KEK', 'db', 'dbx']))
    expect(variableData(variables, 'SecureBootEnable', efiVendor.secureBootEnable)).toEqual(Uint8Array.of(1))
    expect(variableData(variables, 'absent', efiVendor.global)).toHaveLength(0)
  })
})
