import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandModules, firstWords } from '../modules.ts'
import { asTyped, ownCommand, ownName, ownProgram, startCommand, type Started } from './own-name.ts'
import { repositoryOf } from './repository.ts'

let folder: string
const file = (path: string): string => {
  const whole = join(folder, path)
  mkdirSync(dirname(whole), { recursive: true })
  writeFileSync(whole, '')
  return whole
}
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strongroom-own-name-'))
  for (const path of ['clone/strongroom', 'project/node_modules/strongroom/dist/strongroom.cjs']) file(path)
  file('usr/lib/node_modules/strongroom/dist/strongroom.cjs')
  for (const [bin, target] of [
    ['project/node_modules/.bin', 'project/node_modules/strongroom/dist/strongroom.cjs'],
    ['usr/bin', 'usr/lib/node_modules/strongroom/dist/strongroom.cjs'],
    ['home/bin', 'clone/strongroom'],
  ] as const) {
    mkdirSync(join(folder, bin), { recursive: true })
    symlinkSync(join(folder, target), join(folder, bin, 'strongroom'))
  }
  file('other/bin/strongroom')
})
afterAll(() => rmSync(folder, { recursive: true }))

const started = (directory: string, o: { cwd?: string; path?: string[] } = {}): Started => ({
  directory: join(folder, directory),
  cwd: join(folder, o.cwd ?? ''),
  env: { PATH: (o.path ?? []).map((each) => join(folder, each)).join(':') },
})
const clone = (o?: { cwd?: string; path?: string[] }): Started => started('clone/apps/cli/dist', o)
const project = (path: string[]): Started => started('project/node_modules/strongroom/dist', { path })
const globally = (): Started => started('usr/lib/node_modules/strongroom/dist', { path: ['usr/bin'] })
const packaged = (): Started => started('usr/lib/strongroom')

describe('what a person types to run this program', () => {
  it.each<[string, () => Started, string]>([
    ['in a clone', () => clone({ cwd: 'clone' }), './strongroom'],
    ['with a link to a clone on the path', () => clone({ path: ['home/bin'] }), 'strongroom'],
    ['after npx or npm i -D', () => project(['project/node_modules/.bin']), 'npx strongroom'],
    [
      'with another strongroom on the path',
      () => project(['project/node_modules/.bin', 'other/bin']),
      'npx strongroom',
    ],
    ['after npm i -g', globally, 'strongroom'],
    ['with a system package', packaged, 'strongroom'],
  ])('%s', (_, from, name) => {
    expect(ownName(from())).toBe(name)
    expect(ownCommand('vm list', from())).toBe(`${name} vm list`)
  })

  it('elsewhere than in the clone', () => {
    expect(ownName(clone())).toBe(join(folder, 'clone/strongroom'))
  })

  it('to start a server that can make VMs, for each way of installing', () => {
    const state = join(folder, 'state')
    expect(startCommand(state, clone({ cwd: 'clone' }))).toBe('./strongroom up')
    expect(startCommand(state, packaged())).toBe('strongroom up')
    expect(startCommand(state, project([]))).toBe('npx strongroom up --no-vm --compute simulated')
    // What an installation computes with is fixed at its creation.
    file('kept/installation.json')
    expect(startCommand(join(folder, 'kept'), project([]))).toBe('npx strongroom up --no-vm')
  })

  it('in any folder, as shells complete', () => {
    expect(ownProgram(clone())).toBe(join(folder, 'clone/strongroom'))
    expect(ownProgram(packaged())).toBe('strongroom')
    expect(ownProgram(project([]))).toBe(join(folder, 'project/node_modules/strongroom/dist/strongroom.cjs'))
  })
})

describe('a fixed text', () => {
  const typed = (text: string): string => asTyped(text, firstWords, 'npx strongroom')

  it.each(commandModules.flatMap(({ words }) => words))('names this program’s %s as the person types it', (words) => {
    expect(typed(`Run \`strongroom ${words} a\`.`)).toBe(`Run \`npx strongroom ${words} a\`.`)
  })

  it.each([
    'a state directory of strongroom.',
    '/usr/bin/strongroom up',
    './strongroom up',
    'strongroom updates',
    'az -g strongroom -n vm',
  ])('is left alone where it names something else: %s', (text) => {
    expect(typed(text)).toBe(text)
  })
})

it('sources name the program in one way, which is the one that is replaced', () => {
  const root = repositoryOf(import.meta.dirname)
  const list = ['ls-files', 'apps/*.ts', 'packages/*.ts', 'services/*.ts']
  const files = execFileSync('git', list, { cwd: root, encoding: 'utf8' }).trim().split('\n')
  const found = files
    .filter((path) => !/\.test\.ts$|\/testing\/|own-name\.ts$/.test(path))
    .flatMap((path) =>
      readFileSync(join(root, path), 'utf8')
        .split('\n')
        .filter(
          (line) =>
            !/^\s*(?:\*|\/\*\*|\/\/)/.test(line) && /npm run (?:up|drill)|npx strongroom|\.\/strongroom /.test(line),
        )
        .map((line) => `${path}: ${line.trim()}`),
    )
  expect(found).toEqual([])
})
