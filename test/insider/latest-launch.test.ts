import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { releaseSigningUsage, type AnsweredChallenge, type BootFacts, type FreshQuote } from '@strongroom/contract'
import { authorityExtensions, oid, sequence } from '@strongroom/der'
import {
  parseRuntimeClaims,
  spkiSha256,
  parseCertificate,
  type KeyRelease,
  type TrustAnchor,
} from '@strongroom/evidence'
import { launchIndex } from '@strongroom/evidence/expected'
import { run } from '@strongroom/platform'
import { memoryKeyStore } from '@strongroom/silicon/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { loadOrCreateKey, type SigningKey } from '../../packages/silicon/src/pki/keys.ts'
import { bootQuote } from '../../packages/trust/src/links/measured-boot-link.ts'
import { runningGuestLink } from '../../packages/trust/src/links/running-guest-link.ts'
import { vouch } from '../../packages/trust/src/provenance/known.ts'
import { judge, type Link } from '../../packages/trust/src/provenance/link.ts'
import { recipesDirectory } from '../../services/host/src/image/recipe.ts'
import { manufactureTpm } from '../../services/paravisor/src/tpm/manufacture.ts'
import { writeLaunch } from '../../services/paravisor/src/tpm/launch-index.ts'
import { hexOf } from '../../services/paravisor/src/tpm/nv-index.ts'
import { startSwtpm, stopSwtpm, tpmTool, type Swtpm } from '../../services/paravisor/src/tpm/swtpm.ts'
import { TpmDirectory } from '../../services/paravisor/src/tpm/tpm-directory.ts'

/** Lives of one VM: a software TPM each, copied from one state, with the launch that the paravisor wrote, and the guest's agent. */
let folder: string
let akPublic: Uint8Array
const nonce = randomBytes(32)
const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

/** Each launch has a transfer key of its own. */
const claimsOf = (key: string): Buffer => Buffer.from(JSON.stringify({ keys: [{ kid: key }], 'vm-configuration': {} }))
const [claims, others] = [claimsOf('of the report'), claimsOf('of another launch')]
const launchOf = (of: Uint8Array): string => sha256(of).toString('hex')
const hostKey = `ssh-ed25519 ${Buffer.concat([Buffer.from('\0\0\0\u000bssh-ed25519\0\0\0 '), Buffer.alloc(32, 7)]).toString('base64')}`
const kid = 'https://platform.vault.strongroom.internal/keys/vm-1/v1'
const generation = 3

interface Life {
  report: FreshQuote
  answer: FreshQuote
}
let [reported, second, nameless, forged]: Life[] = []

/** The guest's agent against a TPM of this machine's. */
async function asAgent(tpm: Swtpm, name: string, script: string): Promise<FreshQuote> {
  const at = (file: string): string => join(folder, `${name}.${file}`)
  const agent = await readFile(join(recipesDirectory, 'common/agent'), 'utf8')
  await writeFile(
    at('pl'),
    agent
      .replace(
        'sysopen $tpm, $tpm_device, $read_write or',
        "socket $tpm, 1, 1, 0; connect $tpm, pack 'S a108', 1, $tpm_device or",
      )
      .replace('/dev/tpmrm0', tpm.socket)
      .replace('/run/log/systemd/tpm2-measure.log', at('log'))
      .replace('/run/strongroom', at('run')),
  )
  const stubs = `require $ARGV[0]; no warnings; *ssh_host_key = sub { '${hostKey}' };
*metadata = sub { my ($method, $path, $body) = @_; return print $body if $method eq 'POST';
  (200, 'id ' . base64('0' x 36) . "\\nnonce " . base64(pack 'H*', '${nonce.toString('hex')}') . "\\n") };`
  const { stdout } = await run({ command: 'perl', args: ['-e', `${stubs}\n${script}`, at('pl')] })
  return JSON.parse(stdout.toString()) as FreshQuote
}

const reports = `measure(15, 'strongroom:leave-initrd', 'phase'); measure_host_key();
print '{' . quoted(quote_registers('nonce of the boot')) . '}';`

async function live(name: string, state: Uint8Array, start: (tpm: Swtpm) => Promise<void>): Promise<Life> {
  const directory = await TpmDirectory.make({ path: join(folder, name), user: undefined, state })
  const tpm = await startSwtpm({ directory, name: 'guest', startup: 'clear' })
  try {
    await start(tpm)
    const report = await asAgent(tpm, name, reports)
    return { report, answer: await asAgent(tpm, name, 'answer_challenge();') }
  } finally {
    await stopSwtpm(tpm)
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-lives-'))
  const directory = await TpmDirectory.make({ path: join(folder, 'made'), user: undefined })
  const identity = await manufactureTpm({ directory })
  akPublic = identity.akPublic
  const state = await directory.readState()
  const launched = (of: Uint8Array) => async (tpm: Swtpm) => await writeLaunch(tpm, { claims: sha256(of), generation })
  reported = await live('reported', state, launched(claims))
  second = await live('second', state, launched(others))
  nameless = await live('nameless', state, async () => {})
  forged = await live('forged', state, async (tpm) => {
    const index = hexOf(launchIndex.handle)
    await tpmTool(tpm, 'tpm2_nvdefine', [
      '-Q',
      '-C',
      'o',
      index,
      '-s',
      '40',
      '-a',
      'authread|authwrite|ownerread|no_da',
    ])
    const record = Buffer.concat([sha256(claims), Buffer.from([0, 0, 0, 0, 0, 0, 0, generation])])
    const file = await tpm.directory.give('record', record)
    await tpmTool(tpm, 'tpm2_nvwrite', ['-Q', '-C', index, index, '-i', file])
    await tpm.directory.drop('record')
  })
}, 120_000)
afterAll(async () => await rm(folder, { recursive: true, force: true }))

const caName = [['CN', 'Strongroom installation']] as const
const validity = { notBefore: new Date('2026-05-01'), notAfter: new Date('2026-07-01') }
const at = new Date('2026-06-01')
let authority: SigningKey
let foreign: SigningKey
let ca: Uint8Array
let root: TrustAnchor

beforeAll(async () => {
  ;[authority, foreign] = [await newKey(), await newKey()]
  ca = await certificate(authority.spki, { subject: caName, extensions: authorityExtensions() })
  root = { name: 'installation', spkiSha256: await spkiSha256(parseCertificate(ca)) }
})

const newKey = async (): Promise<SigningKey> => await loadOrCreateKey(memoryKeyStore(), 'key', 'ecdsa-p256-sha256')
const certificate = async (
  subjectKey: Uint8Array,
  more: Pick<Parameters<typeof issueCertificate>[0], 'subject' | 'extensions'> & { signer?: SigningKey },
): Promise<Uint8Array> =>
  await issueCertificate({
    issuer: caName,
    signer: authority,
    ...validity,
    serialNumber: 1n,
    subjectKey,
    ...more,
  })

interface Stated {
  latestLaunch?: object
  /** Instead of the statement. */
  payload?: object
  signer?: SigningKey
  usage?: string
}

const signing = generateKeyPairSync('rsa', { modulusLength: 2048 })
const spki = new Uint8Array(signing.publicKey.export({ type: 'spki', format: 'der' }))

/** The key service's statement. */
async function stated(o: Stated = {}): Promise<string> {
  const { signer = authority, usage = releaseSigningUsage } = o
  const leaf = await certificate(spki, {
    subject: [['CN', 'Strongroom key release']],
    extensions: [...leafExtensions(), { oid: '2.5.29.37', value: sequence(oid(usage)) }],
    signer,
  })
  const latestLaunch = { kid, nonce: base64url(nonce), generation, launch: launchOf(claims), ...o.latestLaunch }
  const x5c = [leaf, ca].map((der) => Buffer.from(der).toString('base64'))
  const input = [{ alg: 'RS256', typ: 'JWT', x5c }, o.payload ?? { latestLaunch }]
    .map((part) => base64url(Buffer.from(JSON.stringify(part))))
    .join('.')
  return `${input}.${base64url(sign('sha256', Buffer.from(input), signing.privateKey))}`
}

/** Each case differs in one thing from a report of the first life that the first life answers. */
interface Case extends Stated {
  /** Whose boot report the host shows, and who answers. */
  life?: Life | undefined
  answer?: FreshQuote
  /** Undefined: none. */
  by?: string | undefined
  counter?: number
  statedByHost?: number
}

async function link(o: Case = {}): Promise<Link> {
  const { report, answer: own } = o.life ?? reported!
  const measuredBoot = { ...report, nonce: base64url(Buffer.from('nonce of the boot')) }
  const evidence = { measuredBoot } as unknown as BootFacts
  const ak = vouch(akPublic, 'silicon')
  const boot = {
    claims: vouch(parseRuntimeClaims(claims), 'silicon'),
    counter: vouch(o.counter ?? 2, 'pinned key'),
    release: vouch({ keyId: kid } as KeyRelease, 'pinned key'),
    guestState: { format: 'VMGS', generation: o.statedByHost ?? generation, freshDataKey: true } as const,
    root,
    at,
  }
  const seen = { ak, quote: await bootQuote(evidence, ak), hostKey: vouch(hostKey, 'vTPM'), launch: boot }
  const latestLaunch = 'by' in o ? o.by : await stated(o)
  const answer: AnsweredChallenge = {
    ...(o.answer ?? own),
    ...(latestLaunch !== undefined && { latestLaunch }),
  }
  return await judge('running-guest', '', async (proof) => {
    await runningGuestLink(evidence, seen, { nonce, answer, proof })
  })
}

const refused = (code: string, more: object = {}): object => ({ outcome: 'refused', code, shows: [], ...more })

describe('the guest that runs now, by its agent and a software TPM,', () => {
  it('is of the launch that reported, and of the VM’s latest', async () => {
    expect(await link()).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon', 'vTPM', 'pinned key', 'verifier'],
      shows: [
        expect.stringMatching(/^its TPM signed this verifier’s challenge/),
        expect.stringMatching(/^neither reset nor restarted since/),
        'guest state generation 3, as the paravisor wrote into the vTPM; the counter at its release was 2',
        `the key service, asked the same: launch ${launchOf(claims).slice(0, 16)}… is this VM’s latest, its counter 3`,
      ],
    })
  })

  it('is not another life of the same guest state, copied before the launch (attack H38)', async () => {
    const code = refused('AnotherLaunch', { expected: launchOf(claims), actual: launchOf(others) })
    expect(await link({ life: second })).toMatchObject(code)
  })

  it('is not one life by its quote and another by its launch (attack H38)', async () => {
    const mixed = { ...second!.answer, launch: reported!.answer.launch! }
    expect(await link({ life: second, answer: mixed })).toMatchObject(refused('AnswerNotFresh'))
  })

  it('does not pass without its launch: the host leaves nothing out (attack H38)', async () => {
    const { launch: _left, ...rest } = reported!.answer
    expect(await link({ answer: rest })).toMatchObject(refused('AnswerNotFresh'))
    expect(await link({ life: nameless })).toMatchObject({
      outcome: 'not checked',
      why: expect.stringContaining('Recreate the VM from a current image'),
    })
  })

  it('is not named by an index that its guest defined and wrote (attack H38)', async () => {
    expect(await link({ life: forged })).toMatchObject(refused('BindingMismatch'))
  })

  it('is not an earlier life of a VM that was launched again (attack H38)', async () => {
    const later = { launch: launchOf(others), generation: 4 }
    const found = { expected: `${launchOf(claims)}, generation 3`, actual: `${launchOf(others)}, generation 4` }
    expect(await link({ latestLaunch: later })).toMatchObject(refused('LaunchSuperseded', found))
    expect(await link({ latestLaunch: { launch: null } })).toMatchObject(refused('LaunchSuperseded'))
  })

  it.each([2, 4, 1_000_000])(
    'is refused where the counter is at generation %i, not at its own (attack H39)',
    async (counted) => {
      const found = { expected: 'generation 3', actual: `generation ${counted}` }
      expect(await link({ latestLaunch: { generation: counted } })).toMatchObject(refused('GenerationJumped', found))
    },
  )

  it('is refused where it did not raise the counter of its release (attack H39)', async () => {
    expect(await link({ counter: 3 })).toMatchObject(
      refused('AnotherGeneration', { expected: 'generation 4 or later' }),
    )
  })

  it('is refused where the host states another generation than its TPM has (attack H39)', async () => {
    expect(await link({ statedByHost: 4 })).toMatchObject(refused('AnotherGeneration', { actual: 'generation 4' }))
  })

  it('may have taken steps that the key service was not told of, which are counted', async () => {
    const told = async (counter: number): Promise<string> => (await link({ counter })).shows[2] ?? ''
    expect(await told(1)).toMatch(/was 1: the key service was not told of 1 earlier step$/)
    expect(await told(0)).toMatch(/was 0: the key service was not told of 2 earlier steps$/)
  })

  it('is not the latest by an earlier statement, or by one about another key (attack W53)', async () => {
    const earlier = { nonce: base64url(randomBytes(32)) }
    expect(await link({ latestLaunch: earlier })).toMatchObject(refused('AnswerNotFresh'))
    expect(await link({ latestLaunch: { kid: `${kid}2` } })).toMatchObject(refused('AnswerNotFresh'))
  })

  it('is not the latest by a statement that the key service did not sign for this (attack W53)', async () => {
    expect(await link({ signer: foreign })).toMatchObject(refused('CertificateSignatureInvalid'))
    expect(await link({ usage: '1.3.6.1.5.5.7.3.1' })).toMatchObject(refused('CertificateNotForThisUse'))
    expect(await link({ payload: { response: {} } })).toMatchObject(refused('AnswerMalformed'))
  })

  it('is not checked without the key service’s statement', async () => {
    expect(await link({ by: undefined })).toMatchObject({ outcome: 'not checked' })
  })
})
