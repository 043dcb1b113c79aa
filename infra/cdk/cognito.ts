// A user pool for github.com/bar-tech/cognito: pool, login domain, one app client
// and its branding style. See ../README.md.
//
// It uses CloudFormation's own resources (Cfn…), because the higher-level constructs add
// their own settings, such as flows and messages. ../cloudformation/cognito.yaml gives
// the reason for each setting.
import { CfnOutput, RemovalPolicy, Stack } from 'aws-cdk-lib/core';
import * as cognito from 'aws-cdk-lib/aws-cognito';
import { Construct } from 'constructs';

export interface CognitoLoginProps {
  /** First label of the login domain, without "aws", "amazon" or "cognito". */
  readonly domainPrefix: string;
  /** The app's public address (Config.BaseURL), without a slash at its end. */
  readonly baseUrl: string;
  /** Whether the app client has a secret. @default true */
  readonly confidential?: boolean;
}

export class CognitoLogin extends Construct {
  readonly userPool: cognito.CfnUserPool;
  readonly client: cognito.CfnUserPoolClient;

  constructor(scope: Construct, id: string, props: CognitoLoginProps) {
    super(scope, id);
    const confidential = props.confidential ?? true;

    this.userPool = new cognito.CfnUserPool(this, 'UserPool', {
      userPoolName: props.domainPrefix,
      deletionProtection: 'ACTIVE',
      userPoolTier: 'ESSENTIALS',
      usernameAttributes: ['email'],
      usernameConfiguration: { caseSensitive: false },
      autoVerifiedAttributes: ['email'],
      userAttributeUpdateSettings: { attributesRequireVerificationBeforeUpdate: ['email'] },
      adminCreateUserConfig: { allowAdminCreateUserOnly: true },
      accountRecoverySetting: { recoveryMechanisms: [{ name: 'verified_email', priority: 1 }] },
      policies: { passwordPolicy: { minimumLength: 12, temporaryPasswordValidityDays: 7 } },
    });
    this.userPool.applyRemovalPolicy(RemovalPolicy.RETAIN);
    const userPoolId = this.userPool.ref;

    new cognito.CfnUserPoolDomain(this, 'Domain', {
      userPoolId,
      domain: props.domainPrefix,
      managedLoginVersion: 2,
    });

    this.client = new cognito.CfnUserPoolClient(this, 'Client', {
      userPoolId,
      clientName: 'web',
      generateSecret: confidential,
      allowedOAuthFlowsUserPoolClient: true,
      allowedOAuthFlows: ['code'],
      allowedOAuthScopes: ['openid', 'email', 'profile'],
      supportedIdentityProviders: ['COGNITO'],
      callbackUrLs: [`${props.baseUrl}/login/redirect`],
      logoutUrLs: [`${props.baseUrl}/`],
      explicitAuthFlows: ['ALLOW_USER_SRP_AUTH'], // not ALLOW_REFRESH_TOKEN_AUTH, which rotation excludes
      refreshTokenRotation: { feature: 'ENABLED', retryGracePeriodSeconds: 60 },
      enableTokenRevocation: true,
      accessTokenValidity: 60,
      idTokenValidity: 60,
      refreshTokenValidity: 7,
      tokenValidityUnits: { accessToken: 'minutes', idToken: 'minutes', refreshToken: 'days' },
      preventUserExistenceErrors: 'ENABLED',
      readAttributes: [
        'address', 'birthdate', 'email', 'email_verified', 'family_name', 'gender', 'given_name', 'locale', 'middle_name',
        'name', 'nickname', 'picture', 'preferred_username', 'profile', 'updated_at', 'website', 'zoneinfo',
      ],
      writeAttributes: ['email', 'name'],
    });

    new cognito.CfnManagedLoginBranding(this, 'Branding', {
      userPoolId,
      clientId: this.client.ref,
      useCognitoProvidedValues: true,
    });

    // The descriptions are the variables that the example reads.
    const region = Stack.of(this).region;
    this.output('UserPoolDomain', 'COGNITO_USER_POOL_DOMAIN', `https://${props.domainPrefix}.auth.${region}.amazoncognito.com`);
    this.output('UserPoolId', 'COGNITO_USER_POOL_ID', userPoolId);
    this.output('ClientId', 'COGNITO_CLIENT_ID', this.client.ref);
    if (confidential) { // a public client has no such attribute
      this.output('ClientSecret', 'COGNITO_CLIENT_SECRET', this.client.attrClientSecret);
    }
    this.output('BaseUrl', 'BASE_URL', props.baseUrl);
  }

  private output(id: string, description: string, value: string): void {
    new CfnOutput(this, id, { description, value });
  }
}
