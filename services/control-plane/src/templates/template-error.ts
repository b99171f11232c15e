import type { ErrorCode } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'

/** Reasons to refuse a template. */
type TemplateCode = Extract<
  ErrorCode,
  | 'InvalidParametersLink'
  | 'InvalidResourceType'
  | 'InvalidTemplate'
  | 'InvalidTemplateLink'
  | 'InvalidTemplateSpec'
  | 'LocationRequired'
  | 'TemplateFailed'
>

/** A template that cannot be deployed: answered with 400, as InvalidTemplate or InvalidTemplateDeployment. */
export class TemplateError extends ServiceError {
  constructor(
    message: string,
    o: { code?: TemplateCode; target?: string; expected?: string; found?: string; remedy?: string } = {},
  ) {
    const { code = 'InvalidTemplate', ...rest } = o
    const particulars = { message: `Deployment template validation failed: '${message}'.`, ...rest }
    super(code === 'InvalidResourceType' ? { code, status: 400, ...particulars } : { code, ...particulars })
  }
}
