/**
 * `npm run bench -- <name> [--json] [--full]`: runs bench/<name>.ts. Each exports
 * `bench(o: { json: boolean; full: boolean }): Promise<boolean>`.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const [name = '', ...flags] = process.argv.slice(2)
const file = join(import.meta.dirname, `${name}.ts`)

if (!/^[a-z-]+$/.test(name) || name === 'main' || !existsSync(file)) {
  const names = readdirSync(import.meta.dirname)
    .filter((entry) => entry.endsWith('.ts') && entry !== 'main.ts')
    .map((entry) => entry.slice(0, -3))
  process.stderr.write(`usage: npm run bench -- <${names.join(' | ')}> [--json] [--full]\n`)
  process.exitCode = 64
} else {
  const { bench } = (await import(file)) as { bench: (o: { json: boolean; full: boolean }) => Promise<boolean> }
  process.exitCode = (await bench({ json: flags.includes('--json'), full: flags.includes('--full') })) ? 0 : 1
}
