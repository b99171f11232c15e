import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The parts of a YAML file that the runners here use, read by the parser in Debian's azure-cli. */
// oxlint-disable-next-line typescript/no-explicit-any -- files of others' shapes, looked into member by member
export function readYaml(file: string): any {
  const program = 'import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))'
  return JSON.parse(execFileSync('/usr/bin/python3', ['-c', program, file], { encoding: 'utf8' })) as unknown
}

/** What a runner passes on from its machine, such as the path of certificates; nothing of ours. */
export const machine = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(STRONGROOM|XDG|AZURE|VITEST)_/.test(name)))

interface Step {
  id?: string
  run: string
  shell?: string
  env?: Record<string, string>
}

export interface StepResult {
  status: number | null
  said: string
}

/**
 * Runs steps as GitHub's runner does: bash with -eo pipefail, files for variables, path and outputs, and their content
 * passed to the next step.
 */
export class GithubJob {
  readonly home: string
  readonly outputs: Record<string, string> = {}
  #variables: Record<string, string> = {}
  #path: string[] = []

  constructor() {
    this.home = mkdtempSync(join(tmpdir(), 'strongroom-job-'))
  }

  get #environment(): NodeJS.ProcessEnv {
    const path = [...this.#path, process.env['PATH'] ?? ''].join(':')
    return { ...machine(), PATH: path, HOME: this.home, RUNNER_TEMP: join(this.home, 'temp'), ...this.#variables }
  }

  /** The context fills in `${{ inputs.x }}` and the like. */
  step(step: Step, context: Record<string, string> = {}): StepResult {
    const filled = (text: string): string =>
      text.replaceAll(/\$\{\{ *([\w.-]+) *\}\}/g, (_, name: string) => context[name] ?? '')
    const script = join(this.home, 'step.sh')
    writeFileSync(script, filled(step.run))
    const files = {
      GITHUB_ENV: join(this.home, 'env'),
      GITHUB_PATH: join(this.home, 'path'),
      GITHUB_OUTPUT: join(this.home, 'output'),
    }
    for (const file of Object.values(files)) writeFileSync(file, '')
    execFileSync('mkdir', ['-p', join(this.home, 'temp')])
    const env = Object.fromEntries(Object.entries(step.env ?? {}).map(([name, value]) => [name, filled(value)]))
    const { status, stdout, stderr } = spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', script], {
      cwd: this.home,
      env: { ...this.#environment, ...files, ...env },
      encoding: 'utf8',
      timeout: 120_000,
    })
    const pairs = (file: string): [string, string][] =>
      linesOf(file).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
    Object.assign(this.#variables, Object.fromEntries(pairs(files.GITHUB_ENV)))
    this.#path.unshift(...linesOf(files.GITHUB_PATH))
    for (const [name, value] of pairs(files.GITHUB_OUTPUT)) this.outputs[`steps.${step.id}.outputs.${name}`] = value
    return { status, said: stdout + stderr }
  }
}

const linesOf = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
