import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { signatureMark, withoutConditions, type ScriptCondition } from '@strongroom/contract'
import { CliError, exitCodes } from './cli-error.ts'

const namespace = 'run-command@strongroom'

export interface ScriptToSign {
  script: string
  vmId: string
  /** The number of the guest's boot; without one, only guests of images that know none run the script. */
  boot: string | undefined
  expires: Date
  limitSeconds: number
  /** Private key, or a public one whose private half an SSH agent holds. */
  keyPath: string
}

/**
 * A script that one VM's guest runs in one boot on its owner's authority: its first comments state the conditions, and the
 * last line is a signature by ssh-keygen over all lines before it (docs/guides/guests.md). It replaces an earlier signing.
 */
export async function signScript(o: ScriptToSign): Promise<string> {
  const lines = withoutConditions(o.script.replace(/\r\n/g, '\n'))
    .replace(/(?<!\n)\n+$/, '')
    .split('\n')
  const conditions: (readonly [ScriptCondition, string])[] = [
    ['vm', fromServer('id of the VM', o.vmId.toUpperCase(), /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/)],
    ...(o.boot === undefined ? [] : [['boot', fromServer('boot number', o.boot, /^[0-9a-f]{32}$/)] as const]),
    ['expires', o.expires.toISOString()],
    ['limit', String(o.limitSeconds)],
    ['nonce', randomBytes(16).toString('hex')],
  ]
  const header = conditions.map(([name, value]) => `# strongroom-${name}: ${value}`)
  const [first = ''] = lines
  const ordered = first.startsWith('#!') ? [first, ...header, ...lines.slice(1)] : [...header, ...lines]
  const text = `${ordered.join('\n')}\n`
  const armoured = await keygenSign(o.keyPath, text, namespace)
  const body = armoured.replace(/-----(BEGIN|END) SSH SIGNATURE-----/g, '').replace(/\s/g, '')
  return `${text}${signatureMark}${body}\n`
}

/** What the owner signs has no lines of the server's. @throws CliError PeerAnswerInvalid */
function fromServer(what: string, found: string, form: RegExp): string {
  if (form.test(found)) return found
  throw new CliError({
    code: 'PeerAnswerInvalid',
    message: `The server’s ${what} is malformed, so nothing was signed.`,
    expected: String(form),
    found: JSON.stringify(found.slice(0, 100)),
    remedy: 'Do not sign for this server before you know why it answers so.',
  })
}

/**
 * An armoured signature by ssh-keygen.
 * @param keyPath private key, or a public one whose private half an SSH agent holds
 * @throws CliError CannotSign
 */
export function keygenSign(keyPath: string, text: string, namespace: string): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn('ssh-keygen', ['-Y', 'sign', '-f', keyPath, '-n', namespace], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let [out, said] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.once('error', (cause) => fail(cannotSign(keyPath, cause.message)))
    child.once('close', (code) => (code === 0 ? done(out) : fail(cannotSign(keyPath, said.trim()))))
    child.stdin.end(text)
  })
}

const cannotSign = (keyPath: string, found: string): CliError =>
  new CliError({
    code: 'CannotSign',
    message: `ssh-keygen could not sign with ${keyPath}.`,
    found,
    remedy: 'Pass a private key that the VM accepts with --ssh-key, and install openssh-client.',
    exitCode: exitCodes.missingPrerequisite,
  })
