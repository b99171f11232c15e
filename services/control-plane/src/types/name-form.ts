import { ServiceError } from '@strongroom/platform'

/** Allowed names of a type's resources. */
export interface NameForm {
  readonly form: RegExp
  /** The form in words, for example '1 to 80 letters, digits, _ . -'. */
  readonly expected: string
}

/** The form of most Microsoft.Compute types. */
export const computeName: NameForm = {
  form: /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?$/,
  expected: '1 to 80 letters, digits, _ . -, beginning with a letter, digit or _ and not ending with . or -',
}

/** @throws ServiceError InvalidResourceName */
export function assertName({ form, expected }: NameForm, name: string): void {
  if (form.test(name)) return
  const found = name.slice(0, 130)
  throw new ServiceError({
    code: 'InvalidResourceName',
    message: `The resource name '${found}' is invalid.`,
    target: 'name',
    expected,
    found,
    remedy: 'Use another name.',
  })
}
