import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { guarded } from '../../scripts/guide-script.ts'

const root = resolve(import.meta.dirname, '../..')
/**
 * Runs a script like a guide's reader: in a separate folder, with `strongroom` available, in a network namespace with
 * its own ports, names and mounts, ending everything it started.
 * @returns exit code of the first command that failed, else 0, and the output
 */
export async function runAsReader(script: string): Promise<{ code: number; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-guide-'))
  try {
    await mkdir(join(folder, 'bin'))
    await symlink(join(root, 'strongroom'), join(folder, 'bin/strongroom'))
    // What a reader installs from npm: there is no registry in the namespace.
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    // Background processes end with the script, and its state lasts until then.
    await writeFile(join(folder, 'guide.sh'), guarded(`ip link set lo up\n${script}`))
    const environment = {
      // Debian's programs need Debian's Python, whatever else is first in PATH.
      PATH: `${folder}/bin:/usr/bin:/usr/sbin:${process.env['PATH']}`,
      HOME: folder,
      LANG: 'C.UTF-8',
      STRONGROOM_STATE_DIR: join(folder, 'state'),
      STRONGROOM_CACHE_DIR: join(folder, 'cache'),
    }
    const child = spawn('unshare', ['--net', '--mount', 'bash', 'guide.sh'], { cwd: folder, env: environment })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const code = await new Promise<number>((ended) => child.once('close', (status) => ended(status ?? -1)))
    const log = await readFile(join(folder, 'up.log'), 'utf8').catch(() => '')
    return { code, output: code === 0 ? output : `${output}\n${log}` }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
