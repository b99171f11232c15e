import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parsePem } from '@strongroom/evidence'
import { testAuthority } from '@strongroom/paravisor/testing'
import {
  certifyEndorsementKey,
  readIdentity,
  startSwtpm,
  stopSwtpm,
  type TpmDirectory,
} from '@strongroom/paravisor/tpm'
import { recipesDirectory } from '../image/recipe.ts'

/** The initrd’s first program. */
export const init: string = readFileSync(join(recipesDirectory, 'common/init'), 'utf8')
const session = readFileSync(join(recipesDirectory, 'common/salted-session'), 'utf8')

const functions = [
  'tpm',
  'return_code',
  'extend',
  'read_disk_key',
  'under_policy',
  'done_by',
  'name_of',
  'read_count',
  'write_count',
  'count_text',
  'count_mac',
  'count_of',
  'advance',
  'measure',
  'read_index',
  'measure_settings',
  'require_set_up',
  'mix_random',
  'open_encrypted',
  'open_disk',
].map((name) => {
  const found = new RegExp(`^${name}\\(\\) \\{(?:.*\\}\\n|\\n[^]*?^\\}\\n)`, 'm').exec(init)?.[0]
  if (found === undefined) throw new Error(`init has no function ${name}`)
  return found
})
const constants = [
  /^readonly key_index=[^#]*/m,
  /^readonly count_index=[^#]*/m,
  /^readonly cipher=.*$/m,
  /^readonly success=.*$/m,
  /^readonly settings_index=[^#]*/m,
  /^readonly count_block=.*$/m,
]
  .map((form) => form.exec(init)![0])
  .join('\n')

/** Its own TPM functions, up to opening the disk, for a shell on this machine. `locked` ends the shell with its message. */
export const initrdFunctions: string = `session=\nlocked() { echo "$*"; exit 1; }\n${constants}\n${functions.join('\n')}\n`

/**
 * The same with its salted session.
 * @param o.key DER of the certificate among the UEFI variables
 */
export async function withSession(o: { key: Uint8Array }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-session-'))
  const variable = join(folder, 'variable')
  // efivarfs has the attributes in front.
  await writeFile(variable, Buffer.concat([Buffer.from([7, 0, 0, 0]), o.key]))
  const own = session
    .replace(/^readonly endorsement_key=.*$/m, `readonly endorsement_key=${variable}`)
    .replace(/^scratch=.*$/m, `scratch=${join(folder, 'session')}`)
  return `${initrdFunctions}${own}`
}

/** Certificate of the endorsement key of a vTPM that is off, DER, as the paravisor lays it among the UEFI variables. */
export async function endorsementKeyOf(directory: TpmDirectory): Promise<Uint8Array> {
  const stateDir = join(await mkdtemp(join(tmpdir(), 'strongroom-authority-')), randomBytes(4).toString('hex'))
  await mkdir(stateDir)
  const authority = await testAuthority(stateDir)
  const tpm = await startSwtpm({ directory, name: 'guest', startup: 'clear' })
  try {
    const { ekSpki } = await readIdentity(tpm)
    return parsePem(await certifyEndorsementKey({ authority, vmId, spki: ekSpki }))[0]!
  } finally {
    await stopSwtpm(tpm)
  }
}
const vmId = '5A1E0000-0000-4000-8000-0000000007E5'

/** Prints the disk’s key. */
export const readDiskKey = 'read_disk_key "$(name_of $key_index)" && printf %s "$result" | xxd -r -p\n'

/** Runs a script with a vTPM as its file 3. */
export async function runShell(socket: string, script: string): Promise<{ code: number | null; said: string }> {
  const device = await new Promise<Socket>((done, fail) => {
    const made = connect(socket, () => done(made)).once('error', fail)
  })
  device.pause()
  // Reading /dev/tpm0 waits for the answer. Node makes inherited descriptors blocking only up to 2, so a socket passed
  // as 3 gives EAGAIN if swtpm has not answered yet.
  const child = spawn('sh', ['-c', `exec 3<&0 0</dev/null\n${script}`], { stdio: [device, 'pipe', 'inherit'] })
  let said = ''
  child.stdout!.on('data', (chunk: Buffer) => (said += chunk.toString('latin1')))
  const code = await new Promise<number | null>((done) => child.once('close', done))
  device.destroy()
  return { code, said }
}

/** Who carries TPM commands between guest and vTPM: sees everything, and answers as it likes. */
export interface Carrier {
  socket: string
  /** All that crossed, hexadecimal. */
  seen(): string
  close(): Promise<void>
}

/** @param change of an answer of the TPM’s to a command, both hexadecimal */
export async function carry(
  socket: string,
  change: (answer: string, command: string) => string = (answer) => answer,
): Promise<Carrier> {
  const own = join(await mkdtemp(join(tmpdir(), 'strongroom-carrier-')), 'tpm')
  let seen = ''
  const server: Server = createServer((guest) => {
    const tpm = connect(socket)
    let command = ''
    guest.on('data', (bytes) => {
      command = bytes.toString('hex')
      seen += `${command}\n`
      tpm.write(bytes)
    })
    tpm.on('data', (bytes) => {
      seen += `${bytes.toString('hex')}\n`
      guest.write(Buffer.from(change(bytes.toString('hex'), command), 'hex'))
    })
    for (const [one, other] of [[guest, tpm] as const, [tpm, guest] as const]) {
      one.on('close', () => other.destroy())
      one.on('error', () => other.destroy())
    }
  })
  await new Promise<void>((done) => server.listen(own, done))
  return { socket: own, seen: () => seen, close: async () => await new Promise((done) => server.close(() => done())) }
}
