import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openTemporaryHome } from './temporary-home.ts'

function made(): { home: string; state: string } {
  const home = mkdtempSync(join(tmpdir(), 'strongroom-temporary-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  mkdirSync(join(home, 'state'))
  return { home, state: join(home, 'state') }
}

describe('a temporary home', () => {
  it('is removed with all in it', async () => {
    const { home, state } = made()
    const opened = await openTemporaryHome(home, state)
    writeFileSync(join(state, 'installation.json'), '{}')
    await opened?.remove()
    expect(existsSync(home)).toBe(false)
  })

  it('is none where none is asked for', async () => {
    expect(await openTemporaryHome(undefined, '/nowhere')).toBeUndefined()
  })

  it.each([
    ['holds an installation already', ({ state }) => writeFileSync(join(state, 'installation.json'), '{}')],
    ['others can enter', ({ home }) => chmodSync(home, 0o755)],
    ['is not there', ({ home }) => rmSync(home, { recursive: true })],
  ] satisfies [string, (folders: { home: string; state: string }) => void][])(
    'is refused where the folder %s',
    async (_, change) => {
      const folders = made()
      change(folders)
      await expect(openTemporaryHome(folders.home, folders.state)).rejects.toMatchObject({ code: 'NotTemporary' })
    },
  )

  it('is refused where the state lies elsewhere', async () => {
    await expect(openTemporaryHome(made().home, made().state)).rejects.toMatchObject({ code: 'NotTemporary' })
  })
})
