import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scriptOf } from '../../scripts/guide-script.ts'

const root = resolve(import.meta.dirname, '../..')
const commands = scriptOf(readFileSync(resolve(root, 'docs/tutorials/build-a-fleet.md'), 'utf8'))
  .split('\n')
  .filter((line) => line !== '')

describe('the fleet on one machine', () => {
  it('takes ten commands', () => {
    expect(commands).toHaveLength(10)
  })

  /** A network namespace requires root. */
  it.skipIf(process.getuid?.() !== 0)(
    'is what `npm run fleet` builds, command by command, until Ctrl-C, which leaves nothing',
    async () => {
      const inNamespace = 'ip link set lo up && exec npm run fleet'
      // A group of its own, which gets Ctrl-C as a terminal's does.
      const npm = spawn('unshare', ['--net', 'bash', '-c', inNamespace], { cwd: root, detached: true })
      let output = ''
      const ended = new Promise<void>((done) => npm.once('close', () => done()))
      const built = new Promise<void>((done) => {
        for (const stream of [npm.stdout, npm.stderr])
          stream.on('data', (chunk: Buffer) => {
            output += chunk.toString()
            if (output.includes('The fleet is running.')) done()
          })
      })
      await Promise.race([built, ended])
      for (const command of commands) expect(output).toContain(command)
      expect(output).toMatch(/^On rack-[23], epoch 2/m)
      const [, state = ''] = /STRONGROOM_STATE_DIR=(\S+)\. /.exec(output) ?? []
      expect(existsSync(state)).toBe(true)
      process.kill(-npm.pid!, 'SIGINT')
      // npm ends by the signal as well; its pipes are closed once all others have ended.
      await ended
      expect(existsSync(resolve(state, '..'))).toBe(false)
    },
  )
})
