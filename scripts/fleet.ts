import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { guarded, scriptOf } from './guide-script.ts'

/**
 * `npm run fleet`: the commands of docs/tutorials/build-a-fleet.md, each printed before it runs, in a temporary folder. The
 * fleet runs until Ctrl-C.
 */
const root = resolve(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'strongroom-fleet-'))
const state = join(folder, 'state')
const commands = scriptOf(readFileSync(join(root, 'docs/tutorials/build-a-fleet.md'), 'utf8'))
const next = `The fleet is running. For another shell: export STRONGROOM_STATE_DIR=${state}. Ctrl-C ends it and removes its folder.`
const script = `set -v\n${commands}\n{ set +v; } 2> /dev/null\necho '${next}'\nwait\n`

/** Bash ends by itself once its processes have ended. */
const ignored = (): void => {}
process.on('SIGINT', ignored)
process.on('SIGTERM', () => bash.kill('SIGTERM'))
writeFileSync(join(folder, 'fleet.sh'), `trap 'exit 0' INT TERM\n${guarded(script)}`)
const bash = spawn('bash', ['fleet.sh'], {
  cwd: folder,
  // The master key is removed with everything else.
  env: {
    ...process.env,
    PATH: `${root}:${process.env['PATH']}`,
    STRONGROOM_STATE_DIR: state,
    XDG_CONFIG_HOME: join(folder, 'config'),
  },
  stdio: ['ignore', 'inherit', 'inherit'],
})
bash.once('close', (code) => {
  if (code !== 0) process.stderr.write(`${readFileSync(join(folder, 'up.log'), 'utf8')}\n`)
  rmSync(folder, { recursive: true, force: true })
  process.exitCode = code ?? 1
})
