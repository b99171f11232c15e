import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { freshUser, hasUsers } from './vm-user.ts'

const machine = '         0          0 4294967295\n'

describe('users of VMs', () => {
  it('are there where a user namespace has all their numbers', () => {
    expect(hasUsers(machine)).toBe(true)
    expect(hasUsers('0 100000 65536\n')).toBe(false)
    expect(hasUsers('0 1000 1\n1 100000 65536\n')).toBe(false)
    expect(hasUsers(`0 1000 1\n${0x7000_0000} 100000 ${2 ** 27}\n`)).toBe(true)
    expect(hasUsers(`${0x7000_0000} 100000 ${2 ** 27 - 1}\n`)).toBe(false)
    expect(hasUsers('')).toBe(false)
  })

  it.skipIf(process.geteuid?.() !== 0)(
    'are given by root of the machine, and not by root of a namespace that has not them',
    () => {
      expect(freshUser()).toBeGreaterThanOrEqual(0x7000_0000)
      const program =
        `import { freshUser } from ${JSON.stringify(join(import.meta.dirname, 'vm-user.ts'))}; ` +
        'console.log(process.geteuid(), freshUser())'
      const args = [
        '--user',
        '--map-root-user',
        process.execPath,
        '--conditions=x-source',
        '--input-type=module',
        '-e',
        program,
      ]
      expect(execFileSync('unshare', args, { encoding: 'utf8' })).toBe('0 undefined\n')
    },
  )
})
