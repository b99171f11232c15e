import { execFile } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { detect, type Piece, type PieceKind, type PieceOf } from '@strongroom/evidence/files'
import {
  formatCheckpoint,
  formatNoteKey,
  hashesAtLevel,
  rootOf,
  signNote,
  tileOf,
  tilePath,
} from '@strongroom/transparency'
import { corpusDirectory, hasCorpus } from '../../packages/evidence/src/testing/corpus-directory.ts'
import { entriesOf, fetchOf, treeOf } from '../../packages/transparency/src/testing.ts'
import { makeBoot, makeSilicon } from '../corpus/boot.ts'
import { tokenFiles } from './reader-tokens.ts'
import { updateFiles } from './reader-update.ts'

/** Files from real hardware: the name a relying party would use, and the path in the corpus. */
const genuine: Record<string, string> = {
  'report.bin': 'confidential-containers-trustee/test-report.bin',
  'vcek.der': 'confidential-containers-trustee/test-vcek.der',
  'cert_chain.pem': 'google-go-sev-guest/ask_ark_milan.pem',
  'quote.bin': 'Phala-Network-dcap-qvl/tdx_quote',
  'td-report.bin': 'confidential-dot-ai-attestation-rs/tdx_tdreport_live.bin',
  'ccel.bin': 'Dstack-TEE-dstack/ccel.bin',
  'token.jwt': 'ThomVanL-blog-2022-12-azure-confidential-computing-secure-key-release/maa-token.jwt',
  'jwks.json': 'maa-keys/jwks-sharedweu.json',
  'release.json': 'ThomVanL-blog-2022-12-azure-confidential-computing-secure-key-release/akv-release-response.json',
  'ovmf.fd': 'virtee-sev/ovmf_AmdSev_suffix.bin',
  'svsm.bin': 'virtee-sev-snp-measure/svsm.bin',
  'svsm-ovmf.fd': 'virtee-sev-snp-measure/svsm_ovmf.fd',
  vmlinuz: 'launch-digest-vectors/inputs/kernel-a.bin',
  'initrd.img': 'launch-digest-vectors/inputs/initrd-a.bin',
  'id-authentication.bin': 'virtee-sev/test_auth_block.bin',
}

/** A recorded boot of the reference image: what it booted from, and what was measured. */
const recorded = {
  'boot.efi': 'boot.efi.gz',
  'variables.fd': 'uefi-variables.fd.gz',
  'event-log.bin': 'event-log.bin.gz',
  'acpi/table-loader': 'table-loader.bin.gz',
  'acpi/tables': 'acpi-tables.bin.gz',
}
/** Firmware with TDX metadata, of Debian's package ovmf. */
const tdvf = '/usr/share/ovmf/OVMF.fd'

/** Whether all files that examples read are here: real evidence is kept beside the repository, firmware comes from Debian. */
export const hasReaderFiles: boolean = hasCorpus && existsSync(tdvf)

const fixtures = join(import.meta.dirname, '../../packages/evidence/src/expect/predict/fixtures')

/** Intel's answers about the quote's platform as dcap-qvl stores them, named as in TdxCollateral. */
function collateralOf(bundle: Record<string, string>): Record<string, string> {
  return {
    tcbInfo: `{"tcbInfo":${bundle['tcb_info']},"signature":"${bundle['tcb_info_signature']}"}`,
    tcbInfoIssuerChainPem: bundle['tcb_info_issuer_chain'] ?? '',
    qeIdentity: `{"enclaveIdentity":${bundle['qe_identity']},"signature":"${bundle['qe_identity_signature']}"}`,
    qeIdentityIssuerChainPem: bundle['qe_identity_issuer_chain'] ?? '',
    pckCrl: bundle['pck_crl'] ?? '',
    pckCrlIssuerChainPem: bundle['pck_crl_issuer_chain'] ?? '',
    rootCaCrl: bundle['root_ca_crl'] ?? '',
  }
}

/** Parts of an Azure confidential VM, each as a file. */
function azureFiles(evidence: Uint8Array): Record<string, Uint8Array | string> {
  const pieces = detect('', evidence)
  const find = <K extends PieceKind>(kind: K): PieceOf<K> =>
    pieces.find((piece: Piece): piece is PieceOf<K> => piece.kind === kind)!
  const { message, signature, pcrs } = find('tpm-quote')
  const raw = signature instanceof Uint8Array || signature.scheme === 'ecdsa' ? undefined : signature.signature
  return {
    'hcl-report.bin': find('hcl-report').bytes,
    'vcek.der': find('certificates').certificates[0]!,
    'quote.msg': message,
    'quote.sig': raw ?? new Uint8Array(),
    'pcrs.json': JSON.stringify(Array.from(pcrs.values(), (value) => Buffer.from(value).toString('hex'))),
  }
}

async function layOutEvidence(folder: string): Promise<void> {
  const read = (path: string): Promise<Buffer> => readFile(join(corpusDirectory, path))
  const files: Record<string, Uint8Array | string> = {}
  for (const [name, path] of Object.entries(genuine)) files[name] = await read(path)
  const bundle = JSON.parse(String(await read('Phala-Network-dcap-qvl/tdx_quote_collateral.json'))) as Record<
    string,
    string
  >
  const azure = await read('confidential-dot-ai-attestation-rs/az_snp_evidence-v1.json')
  await write(folder, { ...files, 'collateral.json': JSON.stringify(collateralOf(bundle)) })
  await write(join(folder, 'azure'), azureFiles(azure))
}

/** Log entries that examples read. */
const logSize = 300

/** A log as a vault serves it, its key, and a checkpoint that a client saved at entry 200. */
async function layOutLog(folder: string): Promise<void> {
  const entries = entriesOf(logSize)
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = Uint8Array.from(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))
  const key = { name: 'vault.example/operationlog', publicKey: raw }
  const checkpoint = (size: number): string => {
    const text = formatCheckpoint({ origin: key.name, size, root: rootOf(treeOf(entries.slice(0, size)).frontier) })
    return signNote(text, key, (message) => sign(null, message, privateKey))
  }
  const fetch = fetchOf(entries)
  const files: Record<string, Uint8Array | string> = {
    checkpoint: checkpoint(logSize),
    'remembered-checkpoint': checkpoint(200),
    'key.txt': formatNoteKey(key),
  }
  const hashes = [0, 1].map((level) => [level, hashesAtLevel(logSize, level)] as const)
  for (const [level, count] of [['entries', logSize] as const, ...hashes])
    for (let position = 0; position < count; position += 256) {
      const path = tilePath(tileOf(level, position, logSize))
      files[path] = await fetch(path)
    }
  await write(join(folder, 'log'), files)
}

/** A script, and OpenSSH's signature of it. */
async function layOutScript(folder: string): Promise<void> {
  await write(folder, { script: 'uptime\n' })
  const keygen = async (...args: string[]): Promise<unknown> =>
    await promisify(execFile)('ssh-keygen', args, { cwd: folder })
  await keygen('-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', 'id_ed25519')
  await keygen('-q', '-Y', 'sign', '-n', 'file', '-f', 'id_ed25519', 'script')
  const line = String(await readFile(join(folder, 'id_ed25519.pub'))).trim()
  await write(folder, { 'id_ed25519.pub': line })
}

async function write(folder: string, files: Record<string, Uint8Array | string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
}

/** Puts the files that the published packages' examples read into a folder, as a relying party has them. */
export async function layOut(folder: string): Promise<void> {
  if (hasReaderFiles) {
    await layOutEvidence(folder)
    await write(folder, { 'tdvf.fd': await readFile(tdvf) })
  }
  for (const [name, path] of Object.entries(recorded))
    await write(folder, { [name]: gunzipSync(await readFile(join(fixtures, path))) })
  await layOutLog(folder)
  await layOutScript(folder)
  await write(folder, { ...(await tokenFiles()), ...updateFiles() })
  const boot = await makeBoot('SNP', await makeSilicon())
  await write(folder, {
    'boot.json': JSON.stringify(boot.evidence),
    'anchors.json': JSON.stringify(boot.anchors),
    'ca.pem': boot.ca,
    'certs.json': JSON.stringify(boot.jwks),
  })
}
