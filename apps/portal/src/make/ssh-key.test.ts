import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { makeSshKey } from './ssh-key.ts'

it('makes a key that OpenSSH reads, and finds the same public half in', async () => {
  const { publicText, privateText } = await makeSshKey('a comment')
  const directory = mkdtempSync(join(tmpdir(), 'strongroom-key-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'key')
  writeFileSync(file, privateText, { mode: 0o600 })
  const read = execFileSync('ssh-keygen', ['-y', '-f', file]).toString().trim()
  expect(read).toBe(publicText)
  expect((await makeSshKey('a comment')).publicText).not.toBe(publicText)
})
