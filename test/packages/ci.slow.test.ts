import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '../../apps/cli/src/embed/ports.ts'
import { buildNpm, nodePackage } from '../../scripts/build-npm.ts'
import { emptyFolder, npm } from './stranger.ts'
import { GithubJob, machine, readYaml } from './runners.ts'

const root = resolve(import.meta.dirname, '../..')
const action = join(root, 'packaging/ci/setup-strongroom')
/** Ports per job: other processes on this machine use the usual ones. */
const [a, b, c, d] = await freePorts(4)
const ports = [`--port ${a} --local-port ${b}`, `--port ${c} --local-port ${d}`]
let directory: string
let tarball: string
/** A folder with an `npm` that finds the package, which is in no registry yet. */
let registry: string

beforeAll(async () => {
  directory = emptyFolder()
  await buildNpm(join(directory, 'built'))
  const packed = npm(join(directory, 'built/strongroom'), 'pack', '--pack-destination', directory).trim()
  tarball = join(directory, packed.split('\n').at(-1)!)
  registry = join(directory, 'registry')
  mkdirSync(registry)
  const node = join(directory, 'built', nodePackage)
  const lines = [
    '#!/bin/bash',
    'words=()',
    `for word in "$@"; do case $word in strongroom) words+=("${tarball}" "${node}");; *) words+=("$word");; esac; done`,
    'exec /usr/bin/npm "${words[@]}"',
  ]
  writeFileSync(join(registry, 'npm'), `${lines.join('\n')}\n`)
  chmodSync(join(registry, 'npm'), 0o755)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const folders: string[] = []
afterEach(async () => {
  for (const folder of folders.splice(0)) {
    for (const pid of processesOf(folder)) end(pid)
    await expect.poll(() => processesOf(folder)).toEqual([])
    rmSync(folder, { recursive: true, force: true })
  }
})

/** One that ends at the same moment is already gone. */
function end(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Processes that the steps left running, as in a real job. */
const processesOf = (folder: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)
      } catch {
        return false
      }
    })
    .map(Number)

describe('the action setup-strongroom, on a runner like GitHub’s', () => {
  const { inputs, runs, outputs } = readYaml(join(action, 'action.yml'))
  const defaults = Object.fromEntries(
    Object.entries<{ default: string }>(inputs).map(([name, each]) => [`inputs.${name}`, each.default]),
  )
  const options = `--compute simulated ${ports[0]}`

  it('starts it for the steps of the example, and keeps its secret out of what they say', () => {
    const job = new GithubJob()
    folders.push(job.home)
    const context = {
      ...defaults,
      'github.action_path': action,
      'inputs.package': tarball,
      'inputs.options': options,
      'inputs.seconds': '240',
    }
    for (const step of runs.steps) {
      const { status, said } = job.step(step, context)
      expect(status, said).toBe(0)
      expect(said).not.toContain('secret')
    }
    const named = Object.values<{ value: string }>(outputs).map(({ value }) => /steps\.[\w.-]+/.exec(value)![0])
    expect(named.map((name) => job.outputs[name])).not.toContain(undefined)
    const [, , used] = readYaml(join(root, 'docs/guides/examples/ci/github.yml')).jobs.test.steps
    const { status, said } = job.step(used, context)
    expect(status, said).toBe(0)
    expect(said).toContain('westeurope')
    const log = readFileSync(join(job.home, 'temp/strongroom/up.log'), 'utf8')
    const secret = /shown only once: (\S+)/.exec(log)![1]!
    expect(JSON.stringify(job.outputs) + said).not.toContain(secret)
  })

  it('fails with the reason when the server does not start', () => {
    const job = new GithubJob()
    folders.push(job.home)
    const { status, said } = job.step(runs.steps[0], {
      ...defaults,
      'github.action_path': action,
      'inputs.package': tarball,
      'inputs.options': '--mode nothing',
    })
    expect(status).toBe(1)
    expect(said).toContain('::error::Strongroom ended before it was ready: ')
    expect(said).toContain("There is no mode 'nothing'")
  })
})

describe('the examples for other runners', () => {
  const placed = (text: string): string => text.replaceAll('--compute simulated', `--compute simulated ${ports[1]}`)
  const run = (folder: string, script: string): { status: number | null; said: string } => {
    const env = {
      ...machine(),
      PATH: `${registry}:${process.env['PATH']}`,
      HOME: folder,
      STRONGROOM_STATE_DIR: join(folder, 'state'),
      AGENT_TEMPDIRECTORY: folder,
    }
    const { status, stdout, stderr } = spawnSync('bash', ['-eo', 'pipefail', '-c', placed(script)], {
      cwd: folder,
      env,
      encoding: 'utf8',
      timeout: 200_000,
    })
    return { status, said: stdout + stderr }
  }

  it.each([
    [
      'gitlab.yml',
      ({ test }: { test: Record<string, string[]> }) => [[...test['before_script']!, ...test['script']!].join('\n')],
    ],
    ['azure-pipelines.yml', ({ steps }: { steps: { bash: string }[] }) => steps.map(({ bash }) => bash)],
  ])('%s runs to its end', (file, scripts) => {
    const folder = emptyFolder()
    folders.push(folder)
    execFileSync('mkdir', ['-p', join(folder, 'state')])
    for (const script of scripts(readYaml(join(root, 'docs/guides/examples/ci', file)))) {
      const { status, said } = run(folder, script)
      expect(status, said).toBe(0)
    }
  })
})
