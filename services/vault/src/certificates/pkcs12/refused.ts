import type { ServiceError } from '@strongroom/platform'
import { badParameter } from '../../core/errors.ts'

/** @param what for example `is encrypted by RC2`; never part of the file's content */
export const badFile = (what: string, expected: string): ServiceError =>
  badParameter(`The certificate to import ${what}.`, {
    target: 'value',
    expected,
    found: 'another',
    remedy: 'Write the file again, for example: openssl pkcs12 -export -in chain.pem -inkey key.pem -out file.pfx',
  })

export const wrongPassword = (): ServiceError =>
  badParameter('The certificate to import cannot be decrypted: the password is wrong, or the file was altered.', {
    target: 'pwd',
    expected: 'the password of the file',
    found: 'another',
    remedy: 'Send the password that the file was written with.',
  })
