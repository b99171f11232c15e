import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { CliError, exitCodes } from './cli-error.ts'

const namespace = 'run-command@strongroom'

/**
 * A script that one VM's guest runs on its owner's authority: comments state the VM, an expiry and a nonce, and the
 * last line is a signature by ssh-keygen over all lines before it (docs/run-command.md).
 * @param o.keyPath private key, or a public one whose private half an SSH agent holds
 */
export async function signScript(o: { script: string; vmId: string; keyPath: string; expires: Date }): Promise<string> {
  const lines = o.script
    .replace(/\r\n/g, '\n')
    .replace(/(?<!\n)\n+$/, '')
    .split('\n')
  const header = [
    `# strongroom-vm: ${o.vmId.toUpperCase()}`,
    `# strongroom-expires: ${o.expires.toISOString()}`,
    `# strongroom-nonce: ${randomBytes(16).toString('hex')}`,
  ]
  const [first = ''] = lines
  const ordered = first.startsWith('#!') ? [first, ...header, ...lines.slice(1)] : [...header, ...lines]
  const text = `${ordered.join('\n')}\n`
  const armoured = await keygenSign(o.keyPath, text, namespace)
  const body = armoured.replace(/-----(BEGIN|END) SSH SIGNATURE-----/g, '').replace(/\s/g, '')
  return `${text}# strongroom-signature: ${body}\n`
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
