import { cp, mkdir, writeFile } from 'node:fs/promises'
import { generateKeyPairSync, sign } from 'node:crypto'
import { dirname, join } from 'node:path'
import { formatCheckpoint, formatNoteKey, hashesAtLevel, rootOf, signNote, tileOf, tilePath } from '@strongroom/transparency'
import { corpusDirectory, hasCorpus } from '../../packages/evidence/src/testing/corpus-directory.ts'
import { entriesOf, fetchOf, treeOf } from '../../packages/transparency/src/testing.ts'
import { makeBoot, makeSilicon } from '../corpus/boot.ts'

/** What examples read, by the name that a relying party would give it, and where the corpus of genuine evidence has it. */
const genuine: Record<string, string> = {
  'report.bin': 'confidential-containers-trustee/test-report.bin',
  'vcek.der': 'confidential-containers-trustee/test-vcek.der',
  'cert_chain.pem': 'google-go-sev-guest/ask_ark_milan.pem',
}

/** Entries of the log that examples read. */
const logSize = 300

/** A log as a vault serves it, its key, and the checkpoint that somebody remembered from the time of its 200th entry. */
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

async function write(folder: string, files: Record<string, Uint8Array | string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
}

/** Puts into a folder what the examples of the published packages read: files as a relying party has them. */
export async function layOut(folder: string): Promise<void> {
  if (hasCorpus)
    for (const [name, path] of Object.entries(genuine)) {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await cp(join(corpusDirectory, path), join(folder, name))
    }
  await layOutLog(folder)
  const boot = await makeBoot('SNP', await makeSilicon())
  await write(folder, {
    'boot.json': JSON.stringify(boot.evidence),
    'anchors.json': JSON.stringify(boot.anchors),
    'ca.pem': boot.ca,
    'certs.json': JSON.stringify(boot.jwks),
  })
}
