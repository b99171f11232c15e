import { invalid } from '../../../../arm/refusals.ts'
import type { Problem } from '../../../../arm/fields.ts'

const target = 'properties.osProfile.adminPassword'

/** Azure's list of well-known passwords, in lower case. */
const known = new Set([
  'abc@123',
  'p@$$w0rd',
  'p@ssw0rd',
  'p@ssword123',
  'pa$$word',
  'pass@word1',
  'password!',
  'password1',
  'password22',
  'iloveyou!',
])

/** Azure's rules for passwords of Linux VMs, in its words. Messages contain no part of the password. */
export function passwordProblems(password: string): Problem[] {
  const kinds = [/\p{Lu}/u, /\p{Ll}/u, /\p{Nd}/u, /[^\p{Lu}\p{Ll}\p{Nd}\p{Cc}]/u].filter((kind) => kind.test(password))
  const control = /\p{Cc}/u.test(password)
  const length = Array.from(password).length
  if (length < 6 || length > 72 || kinds.length < 3 || control)
    return [
      invalid(
        target,
        'The supplied password must be between 6-72 characters long and must satisfy at least 3 of password ' +
          'complexity requirements from the following:\r\n' +
          '1) Contains an uppercase character\r\n2) Contains a lowercase character\r\n' +
          '3) Contains a numeric digit\r\n4) Contains a special character\r\n' +
          '5) Control characters are not allowed',
        {
          expected: '6 to 72 characters of three kinds, and no control character',
          found: `${length} characters of ${kinds.length} kinds${control ? ', and control characters' : ''}`,
          remedy:
            'Choose a longer password or, better, use an SSH key: whoever runs the host sees a hash of the password.',
          rule: 'S6',
        },
      ),
    ]
  if (!known.has(password.toLowerCase())) return []
  return [
    invalid(target, 'The supplied password is not allowed: it is a commonly used one.', {
      expected: 'a password that is not commonly used',
      remedy: 'Choose another password or, better, use an SSH key.',
      rule: 'S6',
    }),
  ]
}
