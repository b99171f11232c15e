import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allCommands, firstWords } from '../../apps/cli/src/modules.ts'
import { freePorts } from '../../apps/cli/src/embed/ports.ts'
import { buildNpm, nodePackage } from '../../scripts/build-npm.ts'
import { emptyFolder, npm, processesIn } from './stranger.ts'

const root = resolve(import.meta.dirname, '../..')
let directory: string
beforeAll(async () => {
  directory = emptyFolder()
  const built = join(directory, 'built')
  await buildNpm(built)
  npm(directory, 'install', '--prefer-offline', '--install-links', join(built, 'strongroom'), join(built, nodePackage))
  // As npm i -g and the Debian package lay it out.
  const [global, library, bin] = ['global', 'usr/lib/strongroom', 'usr/bin'].map((each) => join(directory, each))
  npm(directory, 'install', '--prefer-offline', '--install-links', '-g', '--prefix', global!, join(built, 'strongroom'))
  for (const part of ['cli.cjs', 'server', 'data'])
    cpSync(join(built, 'strongroom/dist', part), join(library!, part), { recursive: true })
  mkdirSync(join(library!, 'bin'))
  symlinkSync(process.execPath, join(library!, 'bin/node'))
  mkdirSync(bin!, { recursive: true })
  const script = readFileSync(join(root, 'packaging/debian/strongroom'), 'utf8')
  writeFileSync(join(bin!, 'strongroom'), script.replaceAll('/usr/lib/strongroom', library!), { mode: 0o755 })
}, 300_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Way {
  program: () => string[]
  cwd: () => string
  /** Folders on the person's path. */
  path: () => string[]
  name: string
}
const node = dirname(process.execPath)
const ways: Record<string, Way> = {
  'a clone': { program: () => ['./strongroom'], cwd: () => root, path: () => [], name: './strongroom' },
  npx: { program: () => ['npx', 'strongroom'], cwd: () => directory, path: () => [], name: 'npx strongroom' },
  'npm i -g': {
    program: () => ['strongroom'],
    cwd: () => directory,
    path: () => [join(directory, 'global/bin')],
    name: 'strongroom',
  },
  'the Debian package': {
    program: () => ['strongroom'],
    cwd: () => directory,
    path: () => [join(directory, 'usr/bin')],
    name: 'strongroom',
  },
}

const environment = (path: string[] = []): NodeJS.ProcessEnv => ({
  PATH: [...path, node, '/usr/local/bin', '/usr/bin', '/bin'].join(':'),
  HOME: directory,
  STRONGROOM_STATE_DIR: join(directory, 'state'),
})

/** Everything that a command prints, whether it succeeds or not. */
function printed({ program, cwd, path }: Way, ...args: string[]): string {
  const [file, ...first] = program()
  const { stdout, stderr } = spawnSync(file!, [...first, ...args], {
    cwd: cwd(),
    env: environment(path()),
    encoding: 'utf8',
  })
  return stdout + stderr
}

/** What is written before the commands of this program that a text names. */
const namesIn = (text: string): string[] =>
  [
    ...text.matchAll(
      new RegExp(
        String.raw`(?:npx |npm run |[./\w-]*)?(?<![\w.-])(?:strongroom|up)(?= (?:${firstWords.join('|')})(?![\w-]))`,
        'g',
      ),
    ),
  ].map(([name]) => name)

describe.each(Object.entries(ways))('installed as %s, the program', (_, way) => {
  it('names its commands as the person types them, when no server runs', () => {
    const texts = [
      printed(way, 'status'),
      printed(way, 'vm', 'list'),
      printed(way, 'vm', 'list', '-o', 'json'),
      printed(way, 'test', 'status'),
    ]
    for (const text of texts) expect(namesIn(text), text).not.toEqual([])
    expect(new Set(texts.flatMap(namesIn))).toEqual(new Set([way.name]))
    expect(texts.join('\n')).not.toContain('npm run')
  })

  it('does so on pages of help', async () => {
    // Each module once: the pages are made in one place.
    const pages = (await allCommands()).filter(({ examples }) => examples !== undefined).map(({ words }) => words)
    const some = pages.filter((_words, index) => index % 8 === 0)
    const texts = some.map((words) => printed(way, ...words, '--help'))
    for (const [index, text] of texts.entries()) expect(namesIn(text), some[index]!.join(' ')).not.toEqual([])
    expect(new Set(texts.flatMap(namesIn))).toEqual(new Set([way.name]))
  })
})

/** A server that npx started; `npx` is the process that the person can end. */
async function served(line: string): Promise<{ npx: ChildProcess; said: () => string }> {
  const [tls, local] = await freePorts(2)
  const [program, ...args] = `${line} --port ${tls} --local-port ${local}`.split(' ')
  const npx = spawn(program!, args, { cwd: directory, env: environment(), stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  npx.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await expect.poll(() => said, { timeout: 120_000, interval: 200 }).toContain('Serving.')
  return { npx, said: () => said }
}

const trialLine = /^\| trying it out, tests, CI \| `([^`]+)`/m.exec(
  readFileSync(join(root, 'docs/guides/install.md'), 'utf8'),
)![1]!

describe('the line of docs/guides/install.md for trying it out', () => {
  it.each(['SIGTERM', 'SIGKILL', 'SIGHUP'] as const)(
    'makes VMs, and its server ends with npx, by %s',
    async (signal) => {
      const { npx, said } = await served(trialLine)
      expect(namesIn(said())).toEqual(['npx strongroom'])
      if (signal === 'SIGTERM') {
        expect(printed(ways['npx']!, 'vm', 'create', 'trial')).toContain('trial')
        const listed = execFileSync('npx', ['strongroom', 'vm', 'list', '-o', 'json'], {
          cwd: directory,
          env: environment(),
          encoding: 'utf8',
        })
        expect(JSON.parse(listed)).toEqual([expect.objectContaining({ name: 'trial' })])
      }
      npx.kill(signal)
      await expect.poll(() => processesIn(join(directory, 'state')), { timeout: 60_000, interval: 200 }).toEqual([])
      expect(existsSync(join(directory, 'state/server.json'))).toBe(false)
    },
    300_000,
  )
})
