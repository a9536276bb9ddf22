# Written by `inv lane.render`: change lanes.yml, and write this anew.

resource "aws_iam_role" "indexer" {
  name        = "wheels-indexer"
  description = "Writes the indexes of all lanes"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud"              = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:repository_id"    = "1001"
            "token.actions.githubusercontent.com:repository"       = "example/main"
            "token.actions.githubusercontent.com:environment"      = "lane-index"
            "token.actions.githubusercontent.com:job_workflow_ref" = "example/main/.github/workflows/lane-index.yml@refs/heads/main"
          }
        }
      },
    ]
  })
  tags = {
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_iam_role_policy" "indexer" {
  name = "lanes"
  role = aws_iam_role.indexer.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "List"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::example-wheels"]
      },
      {
        Sid    = "Read"
        Effect = "Allow"
        Action = ["s3:GetObject", "s3:GetObjectTagging"]
        Resource = [
          "arn:aws:s3:::example-wheels/files/*",
          "arn:aws:s3:::example-wheels/requests/*",
          "arn:aws:s3:::example-wheels/index/*",
          "arn:aws:s3:::example-wheels/log/*",
          "arn:aws:s3:::example-wheels/state/*",
        ]
      },
      {
        Sid    = "WriteIndexes"
        Effect = "Allow"
        Action = [
          "s3:PutObject",
          "s3:AbortMultipartUpload",
          "s3:ListMultipartUploadParts",
          "s3:DeleteObject",
        ]
        Resource = ["arn:aws:s3:::example-wheels/index/*"]
      },
      {
        Sid      = "Remember"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["arn:aws:s3:::example-wheels/state/*"]
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["arn:aws:s3:::example-wheels/log/*"]
      },
      {
        Sid      = "Withdraw"
        Effect   = "Allow"
        Action   = ["s3:PutObjectTagging", "s3:DeleteObjectTagging"]
        Resource = ["arn:aws:s3:::example-wheels/files/*"]
      },
    ]
  })
}

resource "aws_iam_role_policies_exclusive" "indexer" {
  role_name    = aws_iam_role.indexer.name
  policy_names = [aws_iam_role_policy.indexer.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "indexer" {
  role_name   = aws_iam_role.indexer.name
  policy_arns = []
}

resource "aws_iam_role" "purge" {
  name        = "wheels-purge"
  description = "Deletes files of lanes for good"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud"              = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:repository_id"    = "1001"
            "token.actions.githubusercontent.com:repository"       = "example/main"
            "token.actions.githubusercontent.com:environment"      = "lane-purge"
            "token.actions.githubusercontent.com:job_workflow_ref" = "example/main/.github/workflows/lane-purge.yml@refs/heads/main"
          }
        }
      },
    ]
  })
  tags = {
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_iam_role_policy" "purge" {
  name = "lanes"
  role = aws_iam_role.purge.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "List"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:ListBucketVersions"]
        Resource = ["arn:aws:s3:::example-wheels"]
      },
      {
        Sid    = "Read"
        Effect = "Allow"
        Action = ["s3:GetObject", "s3:GetObjectVersion"]
        Resource = [
          "arn:aws:s3:::example-wheels/files/*",
          "arn:aws:s3:::example-wheels/index/*",
          "arn:aws:s3:::example-wheels/log/*",
        ]
      },
      {
        Sid      = "Purge"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
        Resource = ["arn:aws:s3:::example-wheels/files/*"]
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["arn:aws:s3:::example-wheels/log/*"]
      },
    ]
  })
}

resource "aws_iam_role_policies_exclusive" "purge" {
  role_name    = aws_iam_role.purge.name
  policy_names = [aws_iam_role_policy.purge.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "purge" {
  role_name   = aws_iam_role.purge.name
  policy_arns = []
}

resource "aws_iam_role" "lane_acme" {
  name        = "wheels-lane-acme"
  description = "Publishes in the lane acme"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud"              = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:repository_id"    = "812345678"
            "token.actions.githubusercontent.com:repository"       = "acme-ai/torch-acme"
            "token.actions.githubusercontent.com:environment"      = "lane-upload"
            "token.actions.githubusercontent.com:job_workflow_ref" = "example/main/.github/workflows/lane-upload.yml@refs/heads/main"
          }
        }
      },
    ]
  })
  tags = {
    imageyard-lane  = "acme"
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_iam_role_policy" "lane_acme" {
  name = "lanes"
  role = aws_iam_role.lane_acme.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Create"
        Effect = "Allow"
        Action = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = [
          "arn:aws:s3:::example-wheels/files/acme/nightly/*",
          "arn:aws:s3:::example-wheels/files/acme/stable/*",
          "arn:aws:s3:::example-wheels/requests/acme/*",
        ]
      },
      {
        Sid    = "ReadOwn"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = [
          "arn:aws:s3:::example-wheels/files/acme/*",
          "arn:aws:s3:::example-wheels/requests/acme/*",
          "arn:aws:s3:::example-wheels/state/acme/*",
        ]
      },
      {
        Sid      = "ListOwn"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::example-wheels"
        Condition = {
          StringLike = {
            "s3:prefix" = ["files/acme/*", "requests/acme/*", "state/acme/*"]
          }
        }
      },
      {
        Sid      = "LogIn"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:GetDownloadUrlForLayer",
          "ecr:ListImages",
          "ecr:InitiateLayerUpload",
          "ecr:UploadLayerPart",
          "ecr:CompleteLayerUpload",
          "ecr:PutImage",
        ]
        Resource = [
          "arn:aws:ecr:us-east-1:123456789012:repository/lanes/acme/images",
          "arn:aws:ecr:us-east-1:123456789012:repository/lanes/acme/cache",
        ]
      },
    ]
  })
}

resource "aws_iam_role_policies_exclusive" "lane_acme" {
  role_name    = aws_iam_role.lane_acme.name
  policy_names = [aws_iam_role_policy.lane_acme.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "lane_acme" {
  role_name   = aws_iam_role.lane_acme.name
  policy_arns = []
}

resource "aws_iam_role" "lane_acme_evil" {
  name        = "wheels-lane-acme-evil"
  description = "Publishes in the lane acme-evil"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud"              = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:repository_id"    = "812345679"
            "token.actions.githubusercontent.com:repository"       = "acme-evil/torch-acme-evil"
            "token.actions.githubusercontent.com:environment"      = "lane-upload"
            "token.actions.githubusercontent.com:job_workflow_ref" = "example/main/.github/workflows/lane-upload.yml@refs/heads/main"
          }
        }
      },
    ]
  })
  tags = {
    imageyard-lane  = "acme-evil"
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_iam_role_policy" "lane_acme_evil" {
  name = "lanes"
  role = aws_iam_role.lane_acme_evil.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Create"
        Effect = "Allow"
        Action = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = [
          "arn:aws:s3:::example-wheels/files/acme-evil/nightly/*",
          "arn:aws:s3:::example-wheels/files/acme-evil/stable/*",
          "arn:aws:s3:::example-wheels/requests/acme-evil/*",
        ]
      },
      {
        Sid    = "ReadOwn"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = [
          "arn:aws:s3:::example-wheels/files/acme-evil/*",
          "arn:aws:s3:::example-wheels/requests/acme-evil/*",
          "arn:aws:s3:::example-wheels/state/acme-evil/*",
        ]
      },
      {
        Sid      = "ListOwn"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::example-wheels"
        Condition = {
          StringLike = {
            "s3:prefix" = ["files/acme-evil/*", "requests/acme-evil/*", "state/acme-evil/*"]
          }
        }
      },
      {
        Sid      = "LogIn"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:GetDownloadUrlForLayer",
          "ecr:ListImages",
          "ecr:InitiateLayerUpload",
          "ecr:UploadLayerPart",
          "ecr:CompleteLayerUpload",
          "ecr:PutImage",
        ]
        Resource = [
          "arn:aws:ecr:us-east-1:123456789012:repository/lanes/acme-evil/images",
          "arn:aws:ecr:us-east-1:123456789012:repository/lanes/acme-evil/cache",
        ]
      },
    ]
  })
}

resource "aws_iam_role_policies_exclusive" "lane_acme_evil" {
  role_name    = aws_iam_role.lane_acme_evil.name
  policy_names = [aws_iam_role_policy.lane_acme_evil.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "lane_acme_evil" {
  role_name   = aws_iam_role.lane_acme_evil.name
  policy_arns = []
}

resource "aws_iam_role" "lane_globex" {
  name        = "wheels-lane-globex"
  description = "Publishes in the lane globex"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud"              = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:repository_id"    = "4711"
            "token.actions.githubusercontent.com:repository"       = "globex/plugin"
            "token.actions.githubusercontent.com:environment"      = "publish"
            "token.actions.githubusercontent.com:job_workflow_ref" = "example/main/.github/workflows/lane-upload.yml@refs/heads/main"
          }
        }
      },
    ]
  })
  tags = {
    imageyard-lane  = "globex"
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_iam_role_policy" "lane_globex" {
  name = "lanes"
  role = aws_iam_role.lane_globex.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Create"
        Effect = "Allow"
        Action = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = [
          "arn:aws:s3:::example-wheels/files/globex/nightly/*",
          "arn:aws:s3:::example-wheels/files/globex/stable/*",
          "arn:aws:s3:::example-wheels/requests/globex/*",
        ]
      },
      {
        Sid    = "ReadOwn"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = [
          "arn:aws:s3:::example-wheels/files/globex/*",
          "arn:aws:s3:::example-wheels/requests/globex/*",
          "arn:aws:s3:::example-wheels/state/globex/*",
        ]
      },
      {
        Sid      = "ListOwn"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::example-wheels"
        Condition = {
          StringLike = {
            "s3:prefix" = ["files/globex/*", "requests/globex/*", "state/globex/*"]
          }
        }
      },
      {
        Sid      = "LogIn"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:GetDownloadUrlForLayer",
          "ecr:ListImages",
          "ecr:InitiateLayerUpload",
          "ecr:UploadLayerPart",
          "ecr:CompleteLayerUpload",
          "ecr:PutImage",
        ]
        Resource = [
          "arn:aws:ecr:us-east-1:123456789012:repository/lanes/globex/images",
          "arn:aws:ecr:us-east-1:123456789012:repository/lanes/globex/cache",
        ]
      },
    ]
  })
}

resource "aws_iam_role_policies_exclusive" "lane_globex" {
  role_name    = aws_iam_role.lane_globex.name
  policy_names = [aws_iam_role_policy.lane_globex.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "lane_globex" {
  role_name   = aws_iam_role.lane_globex.name
  policy_arns = []
}

resource "aws_iam_role" "lane_initech" {
  name        = "wheels-lane-initech"
  description = "Publishes in the lane initech"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Suspended"
        Effect = "Deny"
        Principal = {
          AWS = "*"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
  tags = {
    imageyard-lane  = "initech"
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_iam_role_policy" "lane_initech" {
  name = "lanes"
  role = aws_iam_role.lane_initech.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Suspended"
        Effect   = "Deny"
        Action   = "*"
        Resource = "*"
      },
    ]
  })
}

resource "aws_iam_role_policies_exclusive" "lane_initech" {
  role_name    = aws_iam_role.lane_initech.name
  policy_names = [aws_iam_role_policy.lane_initech.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "lane_initech" {
  role_name   = aws_iam_role.lane_initech.name
  policy_arns = []
}

resource "aws_ecr_repository" "lane_acme_images" {
  name                 = "lanes/acme/images"
  image_tag_mutability = "IMMUTABLE_WITH_EXCLUSION"
  tags = {
    imageyard-lane  = "acme"
    imageyard-lanes = "example-wheels"
  }

  image_tag_mutability_exclusion_filter {
    filter      = "sha256-*"
    filter_type = "WILDCARD"
  }

  image_tag_mutability_exclusion_filter {
    filter      = "*-weekly-*"
    filter_type = "WILDCARD"
  }
}

resource "aws_ecr_repository" "lane_acme_cache" {
  name                 = "lanes/acme/cache"
  image_tag_mutability = "MUTABLE"
  tags = {
    imageyard-lane  = "acme"
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_ecr_repository" "lane_acme_evil_images" {
  name                 = "lanes/acme-evil/images"
  image_tag_mutability = "IMMUTABLE_WITH_EXCLUSION"
  tags = {
    imageyard-lane  = "acme-evil"
    imageyard-lanes = "example-wheels"
  }

  image_tag_mutability_exclusion_filter {
    filter      = "sha256-*"
    filter_type = "WILDCARD"
  }

  image_tag_mutability_exclusion_filter {
    filter      = "*-weekly-*"
    filter_type = "WILDCARD"
  }
}

resource "aws_ecr_repository" "lane_acme_evil_cache" {
  name                 = "lanes/acme-evil/cache"
  image_tag_mutability = "MUTABLE"
  tags = {
    imageyard-lane  = "acme-evil"
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_ecr_repository" "lane_globex_images" {
  name                 = "lanes/globex/images"
  image_tag_mutability = "IMMUTABLE_WITH_EXCLUSION"
  tags = {
    imageyard-lane  = "globex"
    imageyard-lanes = "example-wheels"
  }

  image_tag_mutability_exclusion_filter {
    filter      = "sha256-*"
    filter_type = "WILDCARD"
  }

  image_tag_mutability_exclusion_filter {
    filter      = "*-weekly-*"
    filter_type = "WILDCARD"
  }
}

resource "aws_ecr_repository" "lane_globex_cache" {
  name                 = "lanes/globex/cache"
  image_tag_mutability = "MUTABLE"
  tags = {
    imageyard-lane  = "globex"
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_ecr_repository" "lane_initech_images" {
  name                 = "lanes/initech/images"
  image_tag_mutability = "IMMUTABLE_WITH_EXCLUSION"
  tags = {
    imageyard-lane  = "initech"
    imageyard-lanes = "example-wheels"
  }

  image_tag_mutability_exclusion_filter {
    filter      = "sha256-*"
    filter_type = "WILDCARD"
  }

  image_tag_mutability_exclusion_filter {
    filter      = "*-weekly-*"
    filter_type = "WILDCARD"
  }
}

resource "aws_ecr_repository" "lane_initech_cache" {
  name                 = "lanes/initech/cache"
  image_tag_mutability = "MUTABLE"
  tags = {
    imageyard-lane  = "initech"
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_s3_bucket_versioning" "lanes" {
  bucket = "example-wheels"

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_ownership_controls" "lanes" {
  bucket = "example-wheels"

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "lanes" {
  bucket = "example-wheels"

  rule {
    id     = "imageyard-lanes-abandoned-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

resource "aws_s3_bucket_policy" "lanes" {
  bucket = "example-wheels"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "LanesOnlyByTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:*"]
        Resource  = ["arn:aws:s3:::example-wheels", "arn:aws:s3:::example-wheels/*"]
        Condition = {
          Bool = {
            "aws:SecureTransport" = "false"
          }
        }
      },
      {
        Sid         = "LanesReplaceNothing"
        Effect      = "Deny"
        Principal   = "*"
        Action      = ["s3:PutObject"]
        NotResource = ["arn:aws:s3:::example-wheels/index/*", "arn:aws:s3:::example-wheels/state/*"]
        Condition = {
          Null = {
            "s3:if-none-match" = "true"
          }
          Bool = {
            "s3:ObjectCreationOperation" = "true"
          }
        }
      },
      {
        Sid         = "LanesDeleteByPurge"
        Effect      = "Deny"
        Principal   = "*"
        Action      = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
        NotResource = ["arn:aws:s3:::example-wheels/index/*", "arn:aws:s3:::example-wheels/state/*"]
        Condition = {
          ArnNotEquals = {
            "aws:PrincipalArn" = "arn:aws:iam::123456789012:role/wheels-purge"
          }
        }
      },
      {
        Sid       = "LanesIndexByIndexer"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]
        Resource  = ["arn:aws:s3:::example-wheels/index/*", "arn:aws:s3:::example-wheels/state/*"]
        Condition = {
          ArnNotEquals = {
            "aws:PrincipalArn" = "arn:aws:iam::123456789012:role/wheels-indexer"
          }
        }
      },
      {
        Sid       = "LanesLogByCentre"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject"]
        Resource  = ["arn:aws:s3:::example-wheels/log/*"]
        Condition = {
          ArnNotEquals = {
            "aws:PrincipalArn" = [
              "arn:aws:iam::123456789012:role/wheels-indexer",
              "arn:aws:iam::123456789012:role/wheels-purge",
            ]
          }
        }
      },
      {
        Sid       = "LanesMarkByIndexer"
        Effect    = "Deny"
        Principal = "*"
        Action = [
          "s3:PutObjectTagging",
          "s3:DeleteObjectTagging",
          "s3:PutObjectVersionTagging",
          "s3:DeleteObjectVersionTagging",
        ]
        Resource = ["arn:aws:s3:::example-wheels/*"]
        Condition = {
          ArnNotEquals = {
            "aws:PrincipalArn" = "arn:aws:iam::123456789012:role/wheels-indexer"
          }
        }
      },
      {
        Sid       = "LanesNoAcl"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutBucketAcl", "s3:PutObjectAcl", "s3:PutObjectVersionAcl"]
        Resource  = ["arn:aws:s3:::example-wheels", "arn:aws:s3:::example-wheels/*"]
      },
      {
        Sid       = "LanesNoAclOnWriting"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject"]
        Resource  = ["arn:aws:s3:::example-wheels/*"]
        Condition = {
          Null = {
            "s3:x-amz-acl" = "false"
          }
        }
      },
      {
        Sid       = "LanesInStandardClass"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject"]
        Resource  = ["arn:aws:s3:::example-wheels/*"]
        Condition = {
          Null = {
            "s3:x-amz-storage-class" = "false"
          }
          StringNotEquals = {
            "s3:x-amz-storage-class" = "STANDARD"
          }
        }
      },
      {
        Sid       = "LanesNoKeyOfTheirOwn"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject"]
        Resource  = ["arn:aws:s3:::example-wheels/*"]
        Condition = {
          Null = {
            "s3:x-amz-server-side-encryption-customer-algorithm" = "false"
          }
        }
      },
      {
        Sid       = "LanesNotWithdrawn"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:GetObject", "s3:GetObjectVersion"]
        Resource  = ["arn:aws:s3:::example-wheels/*"]
        Condition = {
          StringEquals = {
            "s3:ExistingObjectTag/imageyard-state" = "withdrawn"
          }
          ArnNotEquals = {
            "aws:PrincipalArn" = [
              "arn:aws:iam::123456789012:role/wheels-indexer",
              "arn:aws:iam::123456789012:role/wheels-purge",
            ]
          }
        }
      },
      {
        Sid    = "LanesHandOut"
        Effect = "Allow"
        Principal = {
          Service = "cloudfront.amazonaws.com"
        }
        Action   = ["s3:GetObject"]
        Resource = ["arn:aws:s3:::example-wheels/files/*", "arn:aws:s3:::example-wheels/index/*"]
        Condition = {
          StringEquals = {
            "AWS:SourceArn" = "arn:aws:cloudfront::123456789012:distribution/E2EXAMPLE"
          }
        }
      },
    ]
  })
}
