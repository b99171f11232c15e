import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { BootEvidence } from '@strongroom/contract'
import { parseHclReport, VerificationCache } from '@strongroom/evidence'
import { detect, judge, type Piece } from '@strongroom/evidence/files'
import { spread } from '@strongroom/platform/testing'
import { createSilicon, type Silicon } from '@strongroom/silicon'
import { memoryKeyStore, settableClock } from '@strongroom/silicon/testing'
import { evidenceCommands } from '../../apps/cli/src/commands/evidence.ts'
import type { CommandContext } from '../../apps/cli/src/core/command.ts'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import { type Boot, makeBoot, makeSilicon } from './boot.ts'
import { verifyFiles, type Files } from './support/verify-files.ts'

/** Milliseconds: generating 4096-bit keys takes seconds, and longer on a busy machine. */
const making = 120_000

let folder: string
let silicon: Silicon
let snp: Boot
let tdx: Boot
let other: Boot
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'E-hostile-'))
  silicon = await makeSilicon()
  snp = await makeBoot('SNP', silicon)
  tdx = await makeBoot('TDX', silicon)
  other = await makeBoot('SNP', silicon)
  await writeFile(join(folder, 'anchors.json'), JSON.stringify(silicon.anchors))
  await writeFile(join(folder, 'ca.pem'), snp.ca)
}, making)
afterAll(async () => rm(folder, { recursive: true }))
afterEach(() => (process.exitCode = 0))

const verify = async (files: Files, options?: Record<string, string>): Promise<[number, string, string]> =>
  await verifyFiles({ folder, at: snp.at }, files, options)

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64url'))
const hardware = (boot: Boot): BootEvidence['silicon'] & { kind: 'SNP' } =>
  boot.evidence.silicon as BootEvidence['silicon'] & { kind: 'SNP' }
/** A boot's report and its chain. */
const report = (): Files => ({ 'report.bin': bytes(hardware(snp).report), 'chain.pem': hardware(snp).vcekChainPem })
const quoted = (): { quote: Uint8Array; collateral: Files } => {
  const { quote, collateral: k } = tdx.evidence.silicon as BootEvidence['silicon'] & { kind: 'TDX' }
  return {
    quote: bytes(quote),
    collateral: {
      'tcb.json': k.tcbInfo,
      'qe.json': k.qeIdentity,
      'signer.pem': k.tcbInfoIssuerChainPem,
      'pck.crl': bytes(k.pckCrl),
      'root.crl': bytes(k.rootCaCrl),
    },
  }
}
const hcl = (boot: Boot): Files => ({
  'hcl.bin': bytes(boot.evidence.vtpm!.hclReport),
  'chain.pem': hardware(boot).vcekChainPem,
  'quote.json': { ...boot.evidence.measuredBoot, eventLog: undefined },
})
const altered = (from: Uint8Array, at: number, bit = 1): Uint8Array =>
  from.map((byte, index) => (index === at ? byte ^ bit : byte))
const ca = (): Record<string, string> => ({ ca: join(folder, 'ca.pem') })

describe('what cannot be read', { timeout: making }, () => {
  it('refuses the whole file, whatever else in it holds (attack E11)', async () => {
    const token = { token: snp.evidence.attestation.token }
    const keys: Files = { 'certs.json': snp.jwks as object }
    expect((await verify({ 'token.json': token, ...keys })).slice(0, 2)).toEqual([0, 'accepted'])
    const junk = Buffer.alloc(900, 7).toString('base64')
    for (const members of [
      { attestation_report: junk, cert_chain: hardware(snp).vcekChainPem },
      { attestation_report: 'junk' },
      { attestation_report: [1, 2, 3] },
      // Hygon's CSV evidence: another vendor's report members and certificates.
      {
        attestation_report: { user_pubkey_digest: [1], vm_id: [2], anonce: 3 },
        cert_chain: { hsk_cek: [4] },
        cc_eventlog: tdx.evidence.measuredBoot!.eventLog,
      },
      { quote: 'AAAA' },
      { cc_eventlog: 'not a log' },
      { runtimeClaims: 'eyJ4IjoxfQ' },
      { akPublic: 'AAAA' },
      { message: 'AAAA', signature: 'AAAA', pcrs: {} },
      {
        message: tdx.evidence.measuredBoot!.quoteMessage,
        signature: tdx.evidence.measuredBoot!.quoteSignature,
        pcrs: 'none',
      },
    ]) {
      const [exit, code] = await verify({ 'token.json': { ...token, ...members }, ...keys })
      expect([Object.keys(members), exit, code]).toEqual([
        Object.keys(members),
        1,
        expect.stringMatching(/^(UnknownType|InvalidEncoding)$/),
      ])
    }
  })

  it('is not passed over for standing deep, twice, or in a text of another kind (attack E11)', async () => {
    const { token } = snp.evidence.attestation
    const keys: Files = { 'certs.json': snp.jwks as object }
    let deep: unknown = { attestation_report: hardware(other).report }
    for (let level = 0; level < 20; level++) deep = { a: deep }
    expect((await verify({ 'token.json': { token, deep }, ...keys })).slice(0, 2)).toEqual([1, 'TooDeep'])
    const twice = `{"token":"${token}","quote":"AAAA","quote":null}`
    expect((await verify({ 'token.json': twice, ...keys })).slice(0, 2)).toEqual([1, 'Duplicate'])
    const [exit] = await verify({
      ...report(),
      'chain.pem': `${hardware(snp).vcekChainPem}${toPem([Uint8Array.of(1)], 'PKCS7')}`,
    })
    expect(exit).toBe(1)
  })

  it('is a quote even where version and kind of its header are broken (attack E11)', async () => {
    const { quote, collateral } = quoted()
    const broken = quote.map((byte, index) => (index < 2 || (index >= 4 && index < 8) ? 0xee : byte))
    expect((await verify({ 'quote.bin': broken, ...collateral })).slice(0, 2)).toEqual([1, 'UnknownVersion'])
    const json = { quote: Buffer.from(broken).toString('base64'), cc_eventlog: tdx.evidence.measuredBoot!.eventLog }
    expect((await verify({ 'quote.json': json, ...collateral })).slice(0, 2)).toEqual([1, 'UnknownVersion'])
  })
})

describe('a file that is given', { timeout: making }, () => {
  it('is a mismatch where it is another machine’s event log, however many there are (attack E12)', async () => {
    const own = bytes(snp.evidence.measuredBoot!.eventLog)
    const foreign = bytes(tdx.evidence.measuredBoot!.eventLog)
    expect((await verify({ ...hcl(snp), 'log.bin': own })).slice(0, 2)).toEqual([0, 'accepted'])
    const cut = own.slice(0, own.length - (4 + 4 + 4 + 2 + 32 + 4 + '.cmdline'.length))
    expect((await verify({ ...hcl(snp), 'log.bin': cut })).slice(0, 2)).toEqual([1, 'EventLogMismatch'])
    expect((await verify({ ...hcl(snp), 'log.bin': cut, 'log2.bin': cut })).slice(0, 2)).toEqual([
      1,
      'EventLogMismatch',
    ])
    expect((await verify({ ...hcl(snp), 'log.bin': own, 'log2.bin': cut })).slice(0, 2)).toEqual([
      1,
      'EventLogMismatch',
    ])
    // The quote’s own log is judged too, whatever else is given.
    const inside = { ...snp.evidence.measuredBoot, eventLog: Buffer.from(cut).toString('base64url') }
    expect((await verify({ ...hcl(snp), 'quote.json': inside, 'log.bin': own })).slice(0, 2)).toEqual([
      1,
      'EventLogMismatch',
    ])
    expect(foreign.length).toBeGreaterThan(0)
  })

  it('keeps the verdict open where it is an event log that nothing quotes (attack E12)', async () => {
    const log = bytes(snp.evidence.measuredBoot!.eventLog)
    expect((await verify(report())).slice(0, 2)).toEqual([0, 'accepted'])
    expect((await verify({ ...report(), 'log.bin': log })).slice(0, 2)).toEqual([2, 'unjudged'])
    const { pcrs: _, eventLog: __, ...bare } = snp.evidence.measuredBoot!
    expect((await verify({ ...hcl(snp), 'quote.json': bare, 'log.bin': log })).slice(0, 2)).toEqual([2, 'unjudged'])
  })

  it('is a mismatch where it is another machine’s attestation key, however many there are (attack E12)', async () => {
    const [own, theirs] = [snp, other].map((boot) => bytes(boot.evidence.vtpm!.akPublic))
    expect((await verify({ ...hcl(snp), 'ak.pub': own! })).slice(0, 2)).toEqual([0, 'accepted'])
    for (const keys of [
      { 'ak.pub': theirs! },
      { 'ak.pub': own!, 'ak2.pub': theirs! },
      { 'ak.pub': theirs!, 'ak2.pub': own! },
      { 'ak.pub': theirs!, 'ak2.pub': theirs! },
    ]) {
      expect((await verify({ ...hcl(snp), ...keys })).slice(0, 2)).toEqual([1, 'BindingMismatch'])
    }
  })

  it('keeps the verdict open where nothing needs it, and is named (attack E12)', async () => {
    const { collateral } = quoted()
    const ed25519 = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string
    for (const [name, content] of [
      ...Object.entries(collateral).slice(0, 3),
      ['certs.json', snp.jwks as object] as const,
      ['ed25519.pem', ed25519] as const,
    ]) {
      const [exit, code, text] = await verify({ ...report(), [name]: content })
      expect([name, exit, code]).toEqual([name, 2, 'unjudged'])
      expect(text).toContain(`${name}: nothing else needs it`)
    }
  })

  it('that a policy asks for and that is left out keeps the verdict open (attack E12)', async () => {
    const token: Files = { 'token.jwt': snp.evidence.attestation.token, 'certs.json': snp.jwks as object }
    for (const policy of [
      { snp: { measurements: [snp.evidence.expected.launchMeasurement] } },
      { hcl: { configuration: { 'secure-boot': true } } },
      { boot: { secureBoot: true } },
      { tpm: { nonce: '00' } },
    ]) {
      const path = join(folder, 'policy.json')
      await writeFile(path, JSON.stringify(policy))
      const [exit, code, text] = await verify(token, { policy: path })
      expect([exit, code]).toEqual([2, 'unjudged'])
      expect(text).toContain('was not applied')
    }
    expect((await verify(report(), { nonce: '00' })).slice(0, 2)).toEqual([2, 'unjudged'])
  })

  it('shows nothing of another machine that a policy asks for (attack E12)', async () => {
    const path = join(folder, 'policy.json')
    const { 'quote.json': quote, ...without } = hcl(snp)
    const both = {
      ...without,
      ...Object.fromEntries(Object.entries(hcl(other)).map(([name, of]) => [`b-${name}`, of])),
    }
    expect((await verify(both)).slice(0, 2)).toEqual([0, 'accepted'])
    const pcrs = { 0: other.evidence.measuredBoot!.pcrs[0] }
    await writeFile(path, JSON.stringify({ tpm: { pcrs } }))
    expect((await verify(both, { policy: path })).slice(0, 2)).toEqual([2, 'unjudged'])
    expect((await verify({ ...both, 'quote.json': quote! }, { policy: path })).slice(0, 2)).toEqual([0, 'accepted'])
    // Without the paravisor's report, the claims determine the user data.
    const { hardwareReport, claims } = parseHclReport(without['hcl.bin'] as Uint8Array)
    const bare: Files = { 'report.bin': hardwareReport, 'claims.json': claims, 'chain.pem': without['chain.pem']! }
    expect((await verify(bare)).slice(0, 2)).toEqual([0, 'accepted'])
    await writeFile(path, JSON.stringify({ hcl: { userData: '00'.repeat(64) } }))
    expect((await verify(bare, { policy: path }))[0]).toBe(1)
  })
})

describe('a revocation list of AMD’s', { timeout: making }, () => {
  const withList = (list: Uint8Array): Files => ({ ...report(), 'crl.der': list })
  const list = (): Uint8Array => bytes(hardware(snp).crl!)

  it('fails closed: cut, with a byte more, or of another root (attack E13)', async () => {
    expect((await verify(withList(list()))).slice(0, 2)).toEqual([0, 'accepted'])
    expect((await verify(withList(list().slice(0, -1)))).slice(0, 2)).toEqual([1, 'Truncated'])
    expect((await verify(withList(Uint8Array.from([...list(), 0])))).slice(0, 2)).toEqual([1, 'TrailingBytes'])
    const foreign = await (await createSilicon({ keys: memoryKeyStore(), clock: settableClock() })).amd.endorsements()
    expect((await verify(withList(foreign.crl)))[0]).toBe(1)
    const { collateral } = quoted()
    expect((await verify(withList(collateral['root.crl'] as Uint8Array))).slice(0, 2)).toEqual([1, 'CrlIssuerMismatch'])
  })

  it('is never passed over with any bit of it changed (attack E13)', async () => {
    const places = [...list().keys()].filter((at) => at < 300 || at % 7 === 6)
    for (const at of spread(places, 5)) {
      const [exit, code] = await verify(withList(altered(list(), at, 1 << (at % 8))))
      // Bytes that are no longer a list at all are an unknown file.
      expect([at, exit === 1 || (exit === 2 && code === 'unjudged')]).toEqual([at, true])
    }
  })
})

describe('what states nothing of a machine', { timeout: making }, () => {
  it('is nothing to accept, with an exit code of its own (attack E14)', async () => {
    const { collateral } = quoted()
    const log = bytes(snp.evidence.measuredBoot!.eventLog)
    const chain: Files = { 'chain.pem': hardware(snp).vcekChainPem }
    for (const files of [
      { 'log.bin': log },
      chain,
      { ...chain, 'crl.der': bytes(hardware(snp).crl!) },
      { 'tcb.json': collateral['tcb.json']!, 'signer.pem': collateral['signer.pem']! },
      { ...chain, 'log.bin': log },
    ]) {
      const [exit, code, text] = await verify(files)
      expect([Object.keys(files), exit, code]).toEqual([Object.keys(files), 7, 'nothing'])
      expect(text).toContain('Nothing to accept')
      expect(text).not.toContain('Accepted')
    }
    // A fault in it is still a refusal.
    expect((await verify({ ...chain, 'log.bin': log.slice(0, -1) }))[0]).toBe(1)
  })

  it('is not accepted with any byte of a log changed, nor together with keys of the installation (attack E14)', async () => {
    const log = bytes(snp.evidence.measuredBoot!.eventLog)
    for (const at of spread(
      [...log.keys()].filter((each) => each % 5 === 0),
      7,
    )) {
      const [exit] = await verify({ 'log.bin': altered(log, at, 1 << (at % 8)) }, ca())
      expect([at, [1, 2, 7].includes(exit)]).toEqual([at, true])
    }
  })
})

describe('evidence that was judged before', { timeout: making }, () => {
  it('changes nothing for what shares a cache with it: Intel’s texts alone, then with their quote (attack E19)', async () => {
    const { quote, collateral } = quoted()
    const cache = new VerificationCache()
    const pieces = (files: Files): Piece[] =>
      Object.entries(files).flatMap(([name, content]) => detect(name, Buffer.from(content as Uint8Array)))
    const verdict = async (files: Files): Promise<[string, string | undefined]> => {
      const found = await judge({ pieces: pieces(files), anchors: silicon.anchors, at: snp.at, cache })
      return [found.verdict, found.code]
    }
    // The quote's chain determines whose list the other is.
    const { 'pck.crl': _, ...alone } = collateral
    for (const files of [alone, { ...collateral, 'quote.bin': quote }, alone]) {
      expect(await verdict(files)).toEqual(['quote.bin' in files ? 'accepted' : 'nothing', undefined])
    }
  })
})

describe('files that are meant to take the verifier’s time', { timeout: making }, () => {
  const refusal = async (path: string): Promise<unknown> => {
    const command = evidenceCommands.find(({ words }) => words[1] === 'verify')!
    return command.run({ args: [path], options: {} } as unknown as CommandContext).catch((error: unknown) => error)
  }

  it('are regular files of a bounded length, or are not read: no device, pipe, socket or folder (attack E15)', async () => {
    const large = join(folder, 'large')
    const handle = await open(large, 'w')
    await handle.truncate(200 * 1024 * 1024)
    await handle.close()
    expect(await refusal(large)).toMatchObject({ code: 'FileTooLarge', exitCode: 2 })
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const socket = join(folder, 'socket')
    const server = createServer().listen(socket)
    for (const path of ['/dev/zero', pipe, socket, folder]) {
      expect([path, await refusal(path)]).toEqual([
        path,
        expect.objectContaining({ code: 'FileNotReadable', exitCode: 2 }),
      ])
    }
    server.close()
    await rm(large)
  })

  it('are refused for holding more than evidence does, not judged value by value (attack E15)', async () => {
    const { token } = snp.evidence.attestation
    const many = Array.from({ length: 600 }, () => token)
    expect((await verify({ 'tokens.json': many })).slice(0, 2)).toEqual([1, 'TooLarge'])
    const texts = JSON.stringify(Array.from({ length: 400_000 }, () => 'A'.repeat(60)))
    expect((await verify({ 'texts.json': texts })).slice(0, 2)).toEqual([1, 'TooLarge'])
  })

  it('leave the verdict open once time is up (attack E15)', async () => {
    const pieces = detect('t.jwt', Buffer.from(snp.evidence.attestation.token))
    const found = await judge({ pieces, anchors: silicon.anchors, at: snp.at, expired: () => true })
    expect(found.verdict).toBe('unjudged')
  })
})
